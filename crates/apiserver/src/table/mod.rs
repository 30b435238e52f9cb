//! Objects as the rows of a table, which is what kubectl shows.
//!
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables>

mod age;
mod built_in;
mod fields;
mod json_path;
mod stored_only;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use self::fields::Fields;
pub use json_path::JsonPath;

/// The columns of one kind.
#[derive(Debug)]
pub struct Columns {
    all: Vec<Column>,
    /// What they read.
    fields: Fields,
}

/// Objects as rows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Table<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: &'a Value,
    column_definitions: Vec<Value>,
    rows: Vec<Row<'a>>,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    cells: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<Included<'a>>,
}

/// What goes of an object with its row.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Included<'a> {
    Whole(&'a RawValue),
    #[serde(rename_all = "camelCase")]
    Partial {
        kind: &'static str,
        api_version: &'static str,
        metadata: Option<&'a RawValue>,
    },
}

#[derive(Deserialize)]
struct HasMetadata<'a> {
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

/// One column.
#[derive(Debug)]
struct Column {
    name: String,
    kind: &'static str,
    /// 0 for those that are always shown, more for those of `-o wide`.
    priority: i64,
    description: String,
    cell: Cell,
}

/// Where the text of a cell comes from.
#[derive(Debug)]
enum Cell {
    Field(JsonPath),
    /// A time, shown as the age that it makes.
    Since(JsonPath),
    Computed(fn(&Value, Timestamp) -> Value),
}

/// The version of what is not of a kind's own.
const META: &str = "meta.k8s.io/v1";

/// How much of an object goes with its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Include {
    /// Nothing.
    None,
    /// Its metadata.
    Metadata,
    /// All of it.
    Object,
}

impl Columns {
    /// The columns of a kind that the server itself knows, by its plural.
    #[must_use]
    pub fn built_in(plural: &str) -> Self {
        Self::new(built_in::columns(plural))
    }

    /// The columns that a `CustomResourceDefinition` prints for `version`: the name, and its `additionalPrinterColumns`
    /// or the age.
    #[must_use]
    pub fn of_definition(definition: &Value, version: &str) -> Self {
        let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
        let version =
            versions.into_iter().flatten().find(|candidate| candidate.get("name").is_some_and(|it| it == version));
        let listed = version.and_then(|version| version.get("additionalPrinterColumns")).and_then(Value::as_array);
        let mut columns = vec![Column::name()];
        match listed {
            Some(listed) => columns.extend(listed.iter().filter_map(Column::of_definition)),
            None => columns.push(Column::age()),
        }
        Self::new(columns)
    }

    fn new(all: Vec<Column>) -> Self {
        let paths = |column: &Column| match &column.cell {
            Cell::Field(path) | Cell::Since(path) => path.clone(),
            Cell::Computed(_) => JsonPath::default(),
        };
        let paths: Vec<_> = all.iter().map(paths).collect();
        Self { fields: Fields::of(paths.iter()), all }
    }

    /// The `Table` of `objects`; `metadata` is that of their list, and `with_heads` tells the columns as well.
    #[must_use]
    pub fn table<'a>(
        &self,
        objects: impl IntoIterator<Item = &'a RawValue>,
        metadata: &'a Value,
        with_heads: bool,
        include: Include,
        now: Timestamp,
    ) -> Table<'a> {
        let rows = objects.into_iter().map(|object| self.row(object, include, now)).collect();
        let column_definitions = if with_heads { self.all.iter().map(Column::head).collect() } else { Vec::new() };
        Table { kind: "Table", api_version: META, metadata, column_definitions, rows }
    }

    fn row<'a>(&self, object: &'a RawValue, include: Include, now: Timestamp) -> Row<'a> {
        let read = self.fields.read(object);
        let cells = self.all.iter().map(|column| column.text(&read, now)).collect();
        let object = match include {
            Include::None => None,
            Include::Object => Some(Included::Whole(object)),
            Include::Metadata => {
                let metadata = serde_json::from_str(object.get()).ok().and_then(|HasMetadata { metadata }| metadata);
                Some(Included::Partial { kind: "PartialObjectMetadata", api_version: META, metadata })
            }
        };
        Row { cells, object }
    }
}

impl Column {
    fn name() -> Self {
        let description = "Name must be unique within a namespace.".to_owned();
        Self { name: "Name".to_owned(), kind: "string", priority: 0, description, cell: field(".metadata.name") }
    }

    fn age() -> Self {
        let cell = Cell::Since(path(".metadata.creationTimestamp"));
        Self {
            name: "Age".to_owned(),
            kind: "string",
            priority: 0,
            description: "Time since creation.".to_owned(),
            cell,
        }
    }

    /// A column that no single field tells.
    fn computed(name: &str, priority: i64, compute: fn(&Value, Timestamp) -> Value) -> Self {
        let cell = Cell::Computed(compute);
        Self { name: name.to_owned(), kind: "string", priority, description: String::new(), cell }
    }

    fn field(name: &str, priority: i64, path: &str) -> Self {
        Self { name: name.to_owned(), kind: "string", priority, description: String::new(), cell: field(path) }
    }

    fn of_definition(listed: &Value) -> Option<Self> {
        let text = |field: &str| listed.get(field).and_then(Value::as_str).unwrap_or_default();
        let path = JsonPath::parse(text("jsonPath"))?;
        let (kind, cell) = match text("type") {
            "date" => ("date", Cell::Since(path)),
            "integer" => ("integer", Cell::Field(path)),
            "number" => ("number", Cell::Field(path)),
            "boolean" => ("boolean", Cell::Field(path)),
            _ => ("string", Cell::Field(path)),
        };
        let priority = listed.get("priority").and_then(Value::as_i64).unwrap_or(0);
        Some(Self { name: text("name").to_owned(), kind, priority, description: text("description").to_owned(), cell })
    }

    fn head(&self) -> Value {
        let format = if self.name == "Name" { "name" } else { "" };
        json!({
            "name": self.name, "type": self.kind, "format": format, "description": self.description,
            "priority": self.priority,
        })
    }

    fn text(&self, object: &Value, now: Timestamp) -> Value {
        match &self.cell {
            Cell::Field(path) => path.first(object).map_or(Value::Null, shown),
            Cell::Since(path) => {
                path.first(object).and_then(Value::as_str).map_or(Value::Null, |time| age::since(time, now).into())
            }
            Cell::Computed(compute) => compute(object, now),
        }
    }
}

/// A scalar is shown as it is, anything else as the text of its JSON.
fn shown(value: &Value) -> Value {
    if value.is_object() || value.is_array() { Value::from(value.to_string()) } else { value.clone() }
}

fn field(text: &str) -> Cell {
    Cell::Field(path(text))
}

fn path(text: &str) -> JsonPath {
    JsonPath::parse(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-03-02T10:00:00Z".parse().unwrap()
    }

    fn table(columns: &Columns, object: &Value, include: Include) -> Value {
        let raw = serde_json::value::to_raw_value(object).unwrap();
        serde_json::to_value(columns.table([&*raw], &json!({}), true, include, now())).unwrap()
    }

    fn cells(columns: &Columns, object: &Value) -> Vec<String> {
        let table = table(columns, object, Include::Metadata);
        let cells = table["rows"][0]["cells"].as_array().unwrap().iter();
        cells.map(|cell| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned)).collect()
    }

    #[test]
    fn a_custom_resource_shows_the_columns_of_its_definition() {
        let definition = json!({"spec": {"versions": [{"name": "v1alpha1", "additionalPrinterColumns": [
            {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
            {"name": "Replicas", "type": "integer", "jsonPath": ".status.replicas"},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ]}]}});
        let columns = Columns::of_definition(&definition, "v1alpha1");
        let object = json!({
            "metadata": {"name": "checkout", "creationTimestamp": "2026-03-02T09:55:00Z"},
            "status": {"phase": "Progressing"},
        });
        let table = table(&columns, &object, Include::Metadata);
        assert_eq!(table["columnDefinitions"][0]["name"], "Name");
        assert_eq!(table["rows"][0]["object"]["metadata"]["name"], "checkout");
        let cells = cells(&columns, &object);
        assert_eq!(cells[0], "checkout");
        assert!(cells.contains(&"Progressing".to_owned()), "{cells:?}");
        assert!(cells.contains(&"5m".to_owned()), "{cells:?}");
    }

    #[test]
    fn a_definition_without_columns_shows_name_and_age() {
        let definition = json!({"spec": {"versions": [{"name": "v1"}]}});
        let object = json!({"metadata": {"name": "a", "creationTimestamp": "2026-03-02T09:00:00Z"}});
        assert_eq!(cells(&Columns::of_definition(&definition, "v1"), &object), ["a", "60m"]);
    }

    #[test]
    fn a_pod_tells_how_it_is() {
        let columns = Columns::built_in("pods");
        let container = |ready: bool, state: &Value| json!({"ready": ready, "restartCount": 2, "state": state});
        let pod = |status: &Value| json!({"metadata": {"name": "p"}, "spec": {"containers": [{}]}, "status": status});
        let waiting = container(false, &json!({"waiting": {"reason": "CrashLoopBackOff"}}));
        let crashing = pod(&json!({"phase": "Running", "containerStatuses": [waiting]}));
        assert_eq!(cells(&columns, &crashing)[..4], ["p", "0/1", "CrashLoopBackOff", "2"]);
        let running = container(true, &json!({"running": {}}));
        let mut healthy = pod(&json!({"phase": "Running", "containerStatuses": [running]}));
        assert_eq!(cells(&columns, &healthy)[..4], ["p", "1/1", "Running", "2"]);
        healthy["metadata"]["deletionTimestamp"] = json!("2026-03-02T09:59:59Z");
        assert_eq!(cells(&columns, &healthy)[2], "Terminating");
    }

    #[test]
    fn a_service_and_a_deployment_look_as_everywhere() {
        let service = json!({"metadata": {"name": "s"}, "spec": {
            "clusterIP": "10.0.0.1", "ports": [{"port": 80, "protocol": "TCP"}], "selector": {"app": "s"},
        }});
        let shown = cells(&Columns::built_in("services"), &service);
        assert_eq!(shown[..5], ["s", "ClusterIP", "10.0.0.1", "<none>", "80/TCP"]);
        let deployment = json!({
            "metadata": {"name": "d"}, "spec": {"replicas": 3}, "status": {"readyReplicas": 2, "updatedReplicas": 3},
        });
        assert_eq!(cells(&Columns::built_in("deployments"), &deployment)[..4], ["d", "2/3", "3", "0"]);
    }

    #[test]
    fn every_kind_can_be_shown_whatever_its_objects_look_like() {
        let plurals = "pods deployments replicasets services namespaces nodes endpoints endpointslices events configmaps \
                       secrets leases horizontalpodautoscalers customresourcedefinitions others";
        for plural in plurals.split_whitespace() {
            let columns = Columns::built_in(plural);
            for odd in [json!({}), json!([]), json!({"spec": 1, "status": [], "metadata": {"name": 5}})] {
                let table = table(&columns, &odd, Include::Object);
                assert!(table["rows"][0]["cells"].is_array(), "{plural}");
                assert_eq!(table["rows"][0]["object"], odd, "{plural}");
            }
        }
    }
}
