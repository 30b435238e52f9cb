//! Putting an object in the place of another.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Writer, allocated,
    delete::may_go,
    finalizers,
    metadata::{
        bump_generation, counts_generations, has_shape, in_namespace, is_meant, is_new_generation, keep_system_fields,
    },
    scale::rescaled,
    scale_of,
};
use crate::{
    Cause, Object, Refusal, Resource, What,
    place::Place,
    state::{State, metadata_text, set_metadata},
};

impl State {
    /// Puts `object` in the place of what is there; under its resourceVersion, if it has one.
    pub(crate) fn replace(&mut self, place: &Place, object: Value, writer: &Writer) -> Result<Arc<Object>, Refusal> {
        let given = metadata_text(&object, "name");
        if given != place.name {
            let why = format!("the name of the object ({given}) does not match the name on the URL ({})", place.name);
            return Err(Refusal::bad_request(why));
        }
        if place.resource.custom && metadata_text(&object, "resourceVersion").is_empty() && place.subresource != "scale"
        {
            let cause = Cause::invalid("metadata.resourceVersion", &json!(0), "must be specified for an update");
            return Err(Refusal::invalid(&place.resource, &place.name, &[cause]));
        }
        self.edit(place, writer, |_| Ok(object))
    }

    /// Changes the object as `edit` says, which is given what the place shows.
    pub(super) fn edit(
        &mut self,
        place: &Place,
        writer: &Writer,
        edit: impl FnOnce(&Value) -> Result<Value, Refusal>,
    ) -> Result<Arc<Object>, Refusal> {
        let current = self.existing(place)?;
        if place.subresource == "scale" {
            let wanted = edit(&scale_of(&place.resource, current.value()))?;
            let object = rescaled(&place.resource, &current, &wanted)?;
            let changed = self.change(place, &current, object, writer)?;
            return Ok(Arc::new(Object::new(scale_of(&place.resource, changed.value()))));
        }
        let mut object = edit(place.view.show(current.clone()).value())?;
        has_shape(place, &mut object)?;
        in_namespace(place, &mut object)?;
        self.change(place, &current, object, writer)
    }

    /// The object that a call is about.
    pub(super) fn existing(&self, place: &Place) -> Result<Arc<Object>, Refusal> {
        let found = self.object(&place.resource, &place.namespace, &place.name);
        found.ok_or_else(|| Refusal::not_found(&place.resource, &place.name))
    }

    /// Stores `object` in the place of `current`, as far as it may differ.
    pub(crate) fn change(
        &mut self,
        place: &Place,
        current: &Arc<Object>,
        object: Value,
        writer: &Writer,
    ) -> Result<Arc<Object>, Refusal> {
        let resource = &place.resource;
        is_meant(resource, current, &object)?;
        let mut object = isolated(resource, current.value(), object, &place.subresource);
        keep_system_fields(current.value(), &mut object);
        allocated::keep(place, current.value(), &mut object);
        self.complete(resource, &mut object, writer)?;
        let same = if writer.applies { object == *current.value() } else { is_same(current.value(), &object) };
        if same {
            return Ok(current.clone());
        }
        let mut causes = self.wrong(resource, Some(current.value()), &object);
        causes.extend(new_finalizers(current, &object));
        if !causes.is_empty() {
            return Err(Refusal::invalid(resource, current.name(), &causes));
        }
        if counts_generations(resource) && is_new_generation(resource, current.value(), &object) {
            bump_generation(&mut object);
        }
        self.track(place, Some(current.value()), &mut object, writer);
        if current.is_deleting() && may_go(resource, &object) {
            return Ok(self.commit(resource, What::Deleted, object, Some(current.clone()), writer));
        }
        Ok(self.commit(resource, What::Modified, object, Some(current.clone()), writer))
    }
}

/// What a write may change: through the status subresource the status alone, else all but the status.
fn isolated(resource: &Resource, current: &Value, mut object: Value, subresource: &str) -> Value {
    if !resource.status {
        return object;
    }
    let (mut result, status) = if subresource == "status" {
        let status = object.get_mut("status").map(Value::take);
        if !same_beside("status", current, &object) {
            let managers = object.get_mut("metadata").and_then(|it| it.get_mut("managedFields")).map(Value::take);
            object = current.clone();
            set_metadata(&mut object, "managedFields", managers.unwrap_or_default());
        }
        (object, status)
    } else {
        (object, current.get("status").cloned())
    };
    if let Some(fields) = result.as_object_mut() {
        match status {
            Some(status) => drop(fields.insert("status".to_owned(), status)),
            None => drop(fields.remove("status")),
        }
    }
    result
}

/// Whether a write changes nothing, so that no version is spent on it.
fn is_same(current: &Value, object: &Value) -> bool {
    let managed = |object: &Value| object.get("metadata").and_then(|it| it.get("managedFields")).cloned();
    // An empty entry asks for the list to be forgotten.
    let forgets = || managed(object) == Some(json!([{}])) && managed(current).is_some();
    same_beside("", current, object) && !forgets()
}

/// Whether two objects are the same but for their managed fields, and for one field of theirs.
fn same_beside(field: &str, one: &Value, other: &Value) -> bool {
    same_fields(field, one, other, |name, one, other| match name {
        "metadata" => same_fields("managedFields", one, other, |_, one, other| one == other),
        _ => one == other,
    })
}

fn same_fields(but: &str, one: &Value, other: &Value, same: impl Fn(&str, &Value, &Value) -> bool) -> bool {
    let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return one == other };
    let [mut ones, mut others] = [one, other].map(|it| it.iter().filter(|(name, _)| *name != but));
    loop {
        match (ones.next(), others.next()) {
            (None, None) => return true,
            (Some((name, one)), Some((other_name, other))) if name == other_name && same(name, one, other) => {}
            _ => return false,
        }
    }
}

/// An object that is on its way out takes no new finalizers.
fn new_finalizers(current: &Object, object: &Value) -> Option<Cause> {
    let old = finalizers(current.value());
    let new: Vec<&str> = finalizers(object).into_iter().filter(|it| !old.contains(it)).collect();
    (current.is_deleting() && !new.is_empty()).then(|| {
        let listed: Vec<String> = new.iter().map(|name| format!("{name:?}")).collect();
        let why = "no new finalizers can be added if the object is being deleted, found new finalizers";
        Cause {
            reason: "FieldValueForbidden",
            message: format!("Forbidden: {why} []string{{{}}}", listed.join(", ")),
            field: "metadata.finalizers".to_owned(),
        }
    })
}
