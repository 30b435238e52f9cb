//! From the tree to types.

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
    value::{MapDeserializer, SeqDeserializer, StrDeserializer},
};
use serde_json::{Map, Value};

use super::mistake::Refusal;
use crate::manifest::item;

/// Reads one value.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    value: &'a Value,
    /// Whether `60` and `true` may stand where a text is wanted, `"60"` where a number is, and nothing where there may be nothing
    /// in a list or map: as in files of settings, where nothing else can be meant.
    is_lenient: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn strict(value: &'a Value) -> Self {
        Self { value, is_lenient: false }
    }

    pub(super) fn lenient(value: &'a Value) -> Self {
        Self { value, is_lenient: true }
    }

    /// The same for a part of it.
    fn part(self, value: &'a Value) -> Self {
        Self { value, ..self }
    }

    /// Whether there is nothing, and it may be taken for a list or map of nothing.
    fn is_as_good_as_empty(self) -> bool {
        self.is_lenient && self.value.is_null()
    }

    /// `fields`: the only ones that may be written, if that is known.
    fn any<'de, V: Visitor<'de>>(self, fields: Option<&'static [&'static str]>, visitor: V) -> Result<V::Value, Refusal>
    where
        'a: 'de,
    {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => visitor.visit_u64(number),
                (None, Some(number), _) => visitor.visit_i64(number),
                (None, None, number) => visitor.visit_f64(number.unwrap_or_default()),
            },
            // serde would take a list for a struct's fields in their order, which nobody means.
            Value::Array(_) if fields.is_some() => {
                Err(serde::de::Error::invalid_type(serde::de::Unexpected::Seq, &visitor))
            }
            Value::Array(items) => visitor.visit_seq(Items { left: items.iter(), next: 0, reader: self }),
            Value::Object(map) => {
                visitor.visit_map(Fields { map: map.iter(), known: fields, current: None, reader: self })
            }
        }
    }
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.any(None, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        if self.is_as_good_as_empty() {
            return visitor.visit_map(MapDeserializer::new(std::iter::empty::<(&str, &str)>()));
        }
        self.any(Some(fields), visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        if self.is_as_good_as_empty() {
            return visitor.visit_map(MapDeserializer::new(std::iter::empty::<(&str, &str)>()));
        }
        self.any(None, visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        if self.is_as_good_as_empty() {
            return visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<&str>()));
        }
        self.any(None, visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.value {
            Value::Number(_) | Value::Bool(_) if self.is_lenient => visitor.visit_string(self.value.to_string()),
            _ => self.any(None, visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_str(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.value.as_str().filter(|_| self.is_lenient).and_then(|text| text.parse().ok()) {
            Some(number) => visitor.visit_u64(number),
            None => self.any(None, visitor),
        }
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        match self.value {
            Value::String(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            Value::Object(map) => visitor.visit_enum(Variant::of(map, self)?),
            _ => self.any(None, visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier
        ignored_any
    }
}

struct Items<'a> {
    left: std::slice::Iter<'a, Value>,
    next: usize,
    reader: Reader<'a>,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Refusal;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        let Some(value) = self.left.next() else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        let read = seed.deserialize(self.reader.part(value));
        read.map(Some).map_err(|refusal| refusal.inside(&item("", index)))
    }
}

struct Fields<'a> {
    map: serde_json::map::Iter<'a>,
    known: Option<&'static [&'static str]>,
    current: Option<(&'a String, &'a Value)>,
    reader: Reader<'a>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Refusal;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        self.current = self.map.next();
        let Some((name, _)) = self.current else { return Ok(None) };
        if let Some(fields) = self.known
            && !fields.contains(&name.as_str())
        {
            return Err(Refusal::no_such_field(name, fields).inside(name));
        }
        seed.deserialize(KeyReader { name }).map(Some).map_err(|refusal| refusal.about_the_name().inside(name))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refusal> {
        let Some((name, value)) = self.current else { return Err(serde::de::Error::custom("a field without a name")) };
        seed.deserialize(self.reader.part(value)).map_err(|refusal| refusal.inside(name))
    }
}

/// Reads the name of a field, also where a number is wanted: `200: OK`.
struct KeyReader<'a> {
    name: &'a str,
}

impl<'de> Deserializer<'de> for KeyReader<'de> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_borrowed_str(self.name)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.name.parse() {
            Ok(number) => visitor.visit_u16(number),
            Err(_) => visitor.visit_borrowed_str(self.name),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// An enum's variant that has something inside: `delete: {name: checkout}`.
struct Variant<'a> {
    name: &'a str,
    inside: Reader<'a>,
}

impl<'a> Variant<'a> {
    fn of(map: &'a Map<String, Value>, reader: Reader<'a>) -> Result<Self, Refusal> {
        let mut fields = map.iter();
        match (fields.next(), fields.next()) {
            (Some((name, value)), None) => Ok(Self { name, inside: reader.part(value) }),
            _ => Err(serde::de::Error::custom("takes exactly one field")),
        }
    }
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Refusal;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Refusal> {
        let name: StrDeserializer<'_, Refusal> = self.name.into_deserializer();
        let variant = seed.deserialize(name).map_err(|refusal| refusal.about_the_name().inside(self.name))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        if self.inside.value.is_null() {
            return Ok(());
        }
        Err(serde::de::Error::custom(format_args!("{} takes nothing inside", self.name)))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refusal> {
        seed.deserialize(self.inside).map_err(|refusal| refusal.inside(self.name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.inside.any(None, visitor).map_err(|refusal| refusal.inside(self.name))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Refusal> {
        self.inside.any(Some(fields), visitor).map_err(|refusal| refusal.inside(self.name))
    }
}
