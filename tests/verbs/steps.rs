//! What is typed, in this order.

use tidegate_api::definitions;

/// A line that is typed, and what stands on the standard input.
pub struct Step {
    pub typed: String,
    pub input: String,
}

const COLOURS: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: colours}, data: {one: red}}";
const OTHER_COLOURS: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: colours}, data: {one: blue}}";
const SERVICE: &str = "{apiVersion: v1, kind: Service, metadata: {name: web}, \
                       spec: {selector: {app: web}, ports: [{port: 81, protocol: TCP, targetPort: http}]}}";
const ROLLOUT: &str = "{apiVersion: tidegate.dev/v1alpha1, kind: Rollout, metadata: {name: web}, \
                       spec: {workload: {kind: Deployment, name: web}, service: web}}";
const MISSPELT_ROLLOUT: &str = "{apiVersion: tidegate.dev/v1alpha1, kind: Rollout, metadata: {name: other}, \
                                spec: {workload: {kind: Deployment, name: web}, service: web, stagez: []}}";
const MISSPELT_SERVICE: &str = "{apiVersion: v1, kind: Service, metadata: {name: other}, \
                                spec: {selektor: {app: web}, ports: [{port: 81, prot: TCP}]}}";
const NAMESPACE: &str = "{apiVersion: v1, kind: Namespace, metadata: {name: cellar}}";
const NODE: &str = "{apiVersion: v1, kind: Node, metadata: {name: one}}";

/// Each line with its input, of which most have none.
const TYPED: &[(&str, &str)] = &[
    ("create namespace shop", ""),
    ("wait crd/rollouts.tidegate.dev --for=condition=Established --timeout=20s", ""),
    ("create deployment web --image=shop:1 --replicas=2", ""),
    ("create deployment web --image=shop:1", ""),
    ("wait deployment/web --for=jsonpath={.status.updatedReplicas}=2 --timeout=20s", ""),
    ("get deployment web", ""),
    ("get deployment web -o wide", ""),
    ("get replicasets", ""),
    ("get deployment web -o jsonpath={.spec}", ""),
    ("create configmap numbers --from-literal=one=1 --from-literal=two=2", ""),
    ("get configmap numbers -o yaml", ""),
    ("create secret generic word --from-literal=is=swordfish", ""),
    ("get secret word -o yaml", ""),
    ("describe secret word", ""),
    ("create serviceaccount clerk", ""),
    ("create role reader --verb=get,list --resource=pods,deployments.apps", ""),
    ("get role reader -o yaml", ""),
    ("create rolebinding reads --role=reader --serviceaccount=shop:clerk", ""),
    ("create clusterrole reader --verb=get --resource=pods", ""),
    ("create clusterrolebinding reads --clusterrole=reader --user=clerk", ""),
    ("create quota few --hard=pods=30,limits.cpu=15", ""),
    ("create poddisruptionbudget web --selector=app=web --min-available=50%", ""),
    ("create job once --image=shop:1", ""),
    ("create cronjob nightly --image=shop:1 --schedule=@daily", ""),
    ("create ingress web --rule=shop.example/cart=web:80", ""),
    ("get ingress web -o jsonpath={.spec}", ""),
    ("create priorityclass high --value=1000", ""),
    ("get ingress,cronjob,pdb,role,rolebinding,serviceaccount,secret", ""),
    ("expose deployment web --port=80 --target-port=http", ""),
    ("get service web", ""),
    ("replace -f -", SERVICE),
    ("get service web -o jsonpath={.spec.ports}", ""),
    ("get service web", ""),
    ("run single --image=shop:1 --env=COLOUR=red --labels=app=single", ""),
    ("get pod single", ""),
    ("autoscale deployment web --min=1 --max=5 --cpu=50%", ""),
    ("get hpa web", ""),
    ("get hpa web -o jsonpath={.spec}", ""),
    ("get hpa.v1.autoscaling web -o jsonpath={.spec}", ""),
    ("delete hpa web", ""),
    ("apply -f -", COLOURS),
    ("apply -f -", COLOURS),
    ("diff -f -", OTHER_COLOURS),
    ("apply -f - --dry-run=server", OTHER_COLOURS),
    ("apply -f - --dry-run=client", OTHER_COLOURS),
    ("apply -f -", OTHER_COLOURS),
    ("get configmap colours -o jsonpath={.data.one}", ""),
    ("apply view-last-applied configmap/colours", ""),
    ("apply -f - --server-side", COLOURS),
    ("apply -f - --server-side --force-conflicts", COLOURS),
    ("get configmap colours -o yaml --show-managed-fields", ""),
    ("apply -f -", ROLLOUT),
    ("get rollout web", ""),
    ("get rollout web -o jsonpath={.spec}", ""),
    ("apply -f -", MISSPELT_ROLLOUT),
    ("apply -f - --validate=warn", MISSPELT_ROLLOUT),
    ("apply -f -", MISSPELT_SERVICE),
    ("create -f - --validate=warn", MISSPELT_SERVICE),
    ("create -f - --validate=ignore", NAMESPACE),
    (r#"patch rollout web --type=merge -p '{"spec":{"misspelt":1}}'"#, ""),
    (r#"patch rollout web -p '{"spec":{"paused":true}}'"#, ""),
    (r#"patch deployment web -p '{"spec":{"misspelt":1}}'"#, ""),
    (r#"patch deployment web -p '{"spec":{"template":{"spec":{"containers":[{"name":"shop","tty":true}]}}}}'"#, ""),
    (r#"patch deployment web --type=json -p '[{"op":"remove","path":"/spec/nothing"}]'"#, ""),
    (r#"patch deployment web --subresource=status --type=merge -p '{"status":{"replicas":2}}'"#, ""),
    ("set image deployment/web shop=shop:2", ""),
    ("set env deployment/web COLOUR=red", ""),
    ("set resources deployment/web --limits=cpu=100m", ""),
    ("set serviceaccount deployment/web clerk", ""),
    ("set selector service/web app=other", ""),
    ("set subject rolebinding/reads --user=clerk", ""),
    ("get deployment web -o jsonpath={.spec.template.spec}", ""),
    ("scale deployment web --replicas=3", ""),
    ("scale deployment web --current-replicas=7 --replicas=4", ""),
    ("scale rollout web --replicas=2", ""),
    ("rollout pause deployment/web", ""),
    ("rollout pause deployment/web", ""),
    ("rollout resume deployment/web", ""),
    ("rollout restart deployment/web", ""),
    ("rollout undo deployment/web --to-revision=99", ""),
    ("annotate deployment web note=hello", ""),
    ("annotate deployment web note=hello", ""),
    ("label deployment web tier=web", ""),
    ("label deployment web tier-", ""),
    ("label ingress web 'not a label'=x", ""),
    ("create -f -", NODE),
    ("cordon one", ""),
    ("get nodes", ""),
    ("taint node one dark=yes:NoSchedule", ""),
    ("uncordon one", ""),
    ("drain one --force --ignore-daemonsets", ""),
    ("get events --field-selector=reason=none", ""),
    ("events --for=configmap/numbers", ""),
    ("describe configmap numbers", ""),
    ("describe serviceaccount clerk", ""),
    ("describe role reader", ""),
    ("describe quota nothing", ""),
    ("explain rollouts.tidegate.dev.spec.stages", ""),
    ("explain services.spec.ports.appProtocol", ""),
    ("explain deployments.spec.nothing", ""),
    ("explain nothing", ""),
    ("auth can-i create pods", ""),
    ("auth can-i list nothing", ""),
    ("auth whoami", ""),
    ("get pods --selector=app=nothing", ""),
    ("get configmap numbers colours -o name", ""),
    ("get configmap --sort-by=.metadata.name -o custom-columns=NAME:.metadata.name", ""),
    ("get configmap numbers -o go-template={{.data.one}}", ""),
    ("get configmap nothing", ""),
    ("get nothing", ""),
    ("get --raw /readyz", ""),
    ("get --raw /api/v1/namespaces/shop/configmaps/nothing", ""),
    ("logs nothing", ""),
    ("logs single", ""),
    ("exec nothing -- ls", ""),
    ("wait deployment/web --for=condition=Nothing --timeout=0s", ""),
    ("wait configmap/nothing --for=delete --timeout=5s", ""),
    ("replace -f - --force", COLOURS),
    ("replace -f -", "{apiVersion: v1, kind: ConfigMap, metadata: {name: nothing}}"),
    ("delete configmap nothing", ""),
    ("delete configmap nothing --ignore-not-found", ""),
    ("delete configmap colours --dry-run=server", ""),
    ("delete configmap colours", ""),
    ("delete pod single --grace-period=0 --force", ""),
    ("delete deployment web --cascade=foreground --timeout=20s --wait=false", ""),
    ("delete secret,serviceaccount --all", ""),
    ("replace -f -", NAMESPACE),
    ("create configmap kept --namespace=cellar", ""),
    ("delete namespace cellar --timeout=60s", ""),
    ("get namespace cellar", ""),
    ("delete crd checks.tidegate.dev --ignore-not-found", ""),
];

/// All of them; first our definitions.
pub fn steps() -> Vec<Step> {
    let definitions = definitions()
        .into_iter()
        .map(|definition| Step { typed: "create -f -".to_owned(), input: serde_json::to_string(&definition).unwrap() });
    let typed = TYPED.iter().map(|(typed, input)| Step { typed: (*typed).to_owned(), input: (*input).to_owned() });
    definitions.chain(typed).collect()
}
