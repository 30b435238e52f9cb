//! From the tree to types.

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
    value::StrDeserializer,
};
use serde_json::Value;

use super::{
    mistake::Refusal,
    node::{Content, Key, Node},
};

/// Reads one node.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) node: &'a Node,
}

impl<'a> Reader<'a> {
    /// `fields`: the only ones that may be written, if that is known.
    fn any<'de, V: Visitor<'de>>(self, fields: Option<&'static [&'static str]>, visitor: V) -> Result<V::Value, Refusal>
    where
        'a: 'de,
    {
        let read = match &self.node.content {
            Content::Null => visitor.visit_unit(),
            Content::Scalar(Value::Bool(value)) => visitor.visit_bool(*value),
            Content::Scalar(Value::String(text)) => visitor.visit_borrowed_str(text),
            Content::Scalar(Value::Number(number)) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), _, _) => visitor.visit_u64(number),
                (None, Some(number), _) => visitor.visit_i64(number),
                (None, None, number) => visitor.visit_f64(number.unwrap_or_default()),
            },
            Content::Scalar(_) => visitor.visit_unit(),
            Content::List(items) => visitor.visit_seq(Items { items: items.iter(), next: 0 }),
            Content::Map(map) => visitor.visit_map(Fields { map: map.iter(), fields, current: None }),
        };
        read.map_err(|refusal| refusal.near(self.node.place))
    }
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.any(None, visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        if self.node.content == Content::Null { visitor.visit_none() } else { visitor.visit_some(self) }
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
        self.any(Some(fields), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let read = match &self.node.content {
            Content::Scalar(Value::String(text)) => visitor.visit_enum(text.as_str().into_deserializer()),
            Content::Map(map) => match map.as_slice() {
                [(key, node)] => visitor.visit_enum(Variant { key, node }),
                _ => Err(serde::de::Error::custom("takes exactly one field")),
            },
            _ => self.any(None, visitor),
        };
        read.map_err(|refusal| refusal.near(self.node.place))
    }

    /// Text that looks like a number is text where text is wanted.
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.any(None, visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct Items<'a> {
    items: std::slice::Iter<'a, Node>,
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Refusal;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        let Some(node) = self.items.next() else { return Ok(None) };
        let index = self.next;
        self.next += 1;
        let read = seed.deserialize(Reader { node });
        read.map(Some).map_err(|refusal| refusal.near(node.place).inside(&format!("[{index}]")))
    }
}

struct Fields<'a> {
    map: std::slice::Iter<'a, (Key, Node)>,
    fields: Option<&'static [&'static str]>,
    current: Option<&'a (Key, Node)>,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Refusal;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Refusal> {
        self.current = self.map.next();
        let Some((key, _)) = self.current else { return Ok(None) };
        let told = |refusal: Refusal| refusal.near(key.place).inside(&key.name);
        if let Some(fields) = self.fields
            && !fields.contains(&key.name.as_str())
        {
            return Err(told(Refusal::no_such_field(fields)(&key.name)));
        }
        seed.deserialize(KeyReader { name: &key.name }).map(Some).map_err(told)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refusal> {
        let Some((key, node)) = self.current else { return Err(serde::de::Error::custom("a field without a name")) };
        let read = seed.deserialize(Reader { node });
        read.map_err(|refusal| refusal.near(node.place).inside(&key.name))
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

/// An enum's variant that has something inside: `counter: {perSecond: 3}`.
struct Variant<'a> {
    key: &'a Key,
    node: &'a Node,
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Refusal;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Refusal> {
        let name: StrDeserializer<'_, Refusal> = self.key.name.as_str().into_deserializer();
        let variant = seed.deserialize(name).map_err(|refusal| refusal.near(self.key.place).inside(&self.key.name))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        match &self.node.content {
            Content::Null => Ok(()),
            _ => Err(serde::de::Error::custom(format_args!("{} takes nothing inside", self.key.name))),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refusal> {
        let read = seed.deserialize(Reader { node: self.node });
        read.map_err(|refusal| refusal.near(self.node.place).inside(&self.key.name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Refusal> {
        Reader { node: self.node }.any(None, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        Reader { node: self.node }.any(Some(fields), visitor).map_err(|refusal| refusal.inside(&self.key.name))
    }
}
