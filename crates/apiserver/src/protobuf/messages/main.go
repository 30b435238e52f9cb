// Prints messages.txt: the fields of the protobuf messages behind Kubernetes' built-in kinds, from the tags of their Go types.
package main

import (
	"fmt"
	"reflect"
	"sort"
	"strings"

	apps "k8s.io/api/apps/v1"
	authentication "k8s.io/api/authentication/v1"
	authorization "k8s.io/api/authorization/v1"
	autoscaling1 "k8s.io/api/autoscaling/v1"
	autoscaling2 "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	events "k8s.io/api/events/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	scheduling "k8s.io/api/scheduling/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// kinds are what clients send: the objects that are served, and what is posted about them.
var kinds = []any{
	core.Namespace{}, core.Node{}, core.Pod{}, core.Service{}, core.Endpoints{}, core.Event{}, core.ConfigMap{},
	core.Secret{}, core.ServiceAccount{}, core.ResourceQuota{}, core.LimitRange{}, core.PersistentVolumeClaim{},
	core.Binding{}, apps.Deployment{}, apps.ReplicaSet{}, apps.StatefulSet{}, apps.DaemonSet{},
	apps.ControllerRevision{}, batch.Job{}, batch.CronJob{}, autoscaling1.HorizontalPodAutoscaler{},
	autoscaling1.Scale{}, autoscaling2.HorizontalPodAutoscaler{}, discovery.EndpointSlice{}, coordination.Lease{},
	rbac.Role{}, rbac.RoleBinding{}, rbac.ClusterRole{}, rbac.ClusterRoleBinding{}, policy.PodDisruptionBudget{},
	policy.Eviction{}, networking.Ingress{}, networking.NetworkPolicy{}, scheduling.PriorityClass{}, events.Event{},
	authentication.SelfSubjectReview{}, authorization.SelfSubjectAccessReview{},
	authorization.SelfSubjectRulesReview{}, apiextensions.CustomResourceDefinition{}, meta.DeleteOptions{},
}

// special are messages whose JSON is not that of their fields.
var special = map[string]bool{
	"meta.Time": true, "meta.MicroTime": true, "meta.FieldsV1": true, "resource.Quantity": true, "intstr.IntOrString": true,
	"runtime.RawExtension": true, "apiextensions.JSON": true, "apiextensions.JSONSchemaPropsOrArray": true,
	"apiextensions.JSONSchemaPropsOrBool": true, "apiextensions.JSONSchemaPropsOrStringArray": true,
}

var messages = map[string]string{}

func name(t reflect.Type) string {
	steps := strings.Split(t.PkgPath(), "/")
	last := steps[len(steps)-1]
	if strings.HasPrefix(last, "v") && len(steps) > 1 {
		group := steps[len(steps)-2]
		if last != "v1" {
			group += last
		}
		last = group
	}
	return last + "." + t.Name()
}

func word(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Int32, reflect.Int64, reflect.Uint32, reflect.Uint64:
		return "int"
	case reflect.Float64:
		return "double"
	case reflect.Uint8:
		return "byte"
	case reflect.Pointer:
		return word(t.Elem())
	case reflect.Map:
		return "map " + word(t.Elem())
	case reflect.Slice:
		if _, wrapped := reflect.New(t).Interface().(interface{ Marshal() ([]byte, error) }); wrapped {
			return "items"
		}
		if t.Elem().Kind() == reflect.Uint8 {
			return "bytes"
		}
		return "list " + word(t.Elem())
	}
	describe(t)
	return name(t)
}

func describe(t reflect.Type) {
	if _, known := messages[name(t)]; known || special[name(t)] {
		return
	}
	messages[name(t)] = ""
	var lines []string
	for i := range t.NumField() {
		field := t.Field(i)
		tag := strings.Split(field.Tag.Get("protobuf"), ",")
		if len(tag) < 2 {
			continue
		}
		options := strings.Split(field.Tag.Get("json"), ",")
		json, kind := options[0], word(field.Type)
		if json == "" {
			json = "^"
		}
		omitted := false
		for _, option := range options[1:] {
			omitted = omitted || option == "omitempty" && field.Type.Kind() != reflect.Struct || option == "omitzero"
		}
		if omitted && field.Type.Kind() != reflect.Pointer && !strings.Contains(kind, " ") {
			json += "?"
		}
		lines = append(lines, fmt.Sprintf(" %s %s %s\n", tag[1], json, kind))
	}
	messages[name(t)] = strings.Join(lines, "")
}

func main() {
	for _, kind := range kinds {
		describe(reflect.TypeOf(kind))
	}
	var names []string
	for name := range messages {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Printf("%s\n%s", name, messages[name])
	}
}
