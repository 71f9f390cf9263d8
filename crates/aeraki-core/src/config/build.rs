//! Making a config in one walk over a message, as its serializer.

use aeraki_api::JsonStruct;
use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::{Error, Value};

use super::{Config, Key, Member, Node, Span};

/// About the usual size of a config, so that its memory seldom moves.
const USUAL_MEMBERS: usize = 64;
const USUAL_STRINGS: usize = 1024;
/// About the most fields that are open at a time.
const USUAL_OPEN: usize = 24;

pub(super) fn plain(value: &impl Serialize) -> Result<Config, Error> {
    let mut builder = Builder::new();
    let root = value.serialize(&mut builder)?;
    Ok(builder.finish(root))
}

pub(super) fn typed(message: &impl Serialize, type_url: &str) -> Result<Config, Error> {
    let mut builder = Builder::new();
    let Node::Object(span) = message.serialize(&mut builder)? else {
        return Err(Error::custom(format!("{type_url} is not a JSON object")));
    };
    let node = builder.string(type_url);
    let key = Key::Name("@type");
    // Members of the root were written last, and no field's name sorts before this one.
    let place = span.start as usize;
    builder.members.insert(place, Member { key, node });
    let root = Node::Object(builder.members_since(place));
    Ok(builder.finish(root))
}

/// What has been read so far.
struct Builder {
    members: Vec<Member>,
    strings: String,
    /// Members of the objects and lists that are still being read, the outermost first.
    open: Vec<Member>,
}

impl Builder {
    fn new() -> Self {
        Self {
            members: Vec::with_capacity(USUAL_MEMBERS),
            strings: String::with_capacity(USUAL_STRINGS),
            open: Vec::with_capacity(USUAL_OPEN),
        }
    }

    fn finish(self, root: Node) -> Config {
        Config {
            root,
            members: self.members,
            strings: self.strings,
        }
    }

    fn text(&mut self, text: &str) -> Span {
        let start = self.strings.len();
        self.strings.push_str(text);
        span(start, self.strings.len())
    }

    fn string(&mut self, text: &str) -> Node {
        Node::String(self.text(text))
    }

    fn members_since(&self, start: usize) -> Span {
        span(start, self.members.len())
    }

    /// Adds a member to the innermost open object or list.
    fn add<T: Serialize + ?Sized>(&mut self, key: Key, value: &T) -> Result<(), Error> {
        let node = value.serialize(&mut *self)?;
        self.open.push(Member { key, node });
        Ok(())
    }

    /// Ends the list whose items are open from `first` on.
    fn list(&mut self, first: usize) -> Span {
        let start = self.members.len();
        self.members.extend(self.open.drain(first..));
        self.members_since(start)
    }

    /// Ends the object whose members are open from `first` on.
    fn object(&mut self, first: usize) -> Node {
        let strings = &self.strings;
        let name = |member: &Member| match member.key {
            Key::Name(name) => name,
            Key::Text(span) => &strings[span.range()],
        };
        self.open[first..].sort_by(|a, b| name(a).cmp(name(b)));
        Node::Object(self.list(first))
    }

    /// An object with one member: a variant of an enum.
    fn variant(&mut self, name: &'static str, node: Node) -> Node {
        let start = self.members.len();
        let key = Key::Name(name);
        self.members.push(Member { key, node });
        Node::Object(self.members_since(start))
    }
}

fn span(start: usize, end: usize) -> Span {
    let place = |at: usize| u32::try_from(at).expect("a config has less than 4 GiB");
    Span {
        start: place(start),
        end: place(end),
    }
}

/// The number as a double would carry it.
fn number(value: f64) -> Node {
    match JsonStruct::number(value) {
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Node::Integer(whole),
            None => Node::Double(value),
        },
        _ => Node::Null,
    }
}

macro_rules! numbers {
    ($($method:ident: $number:ty),*) => {
        $(fn $method(self, value: $number) -> Result<Node, Error> {
            Ok(number(value as f64))
        })*
    };
}

macro_rules! small_integers {
    ($($method:ident: $number:ty),*) => {
        $(fn $method(self, value: $number) -> Result<Node, Error> {
            Ok(Node::Integer(value.into()))
        })*
    };
}

impl<'b> Serializer for &'b mut Builder {
    type Ok = Node;
    type Error = Error;
    type SerializeSeq = Open<'b>;
    type SerializeTuple = Open<'b>;
    type SerializeTupleStruct = Open<'b>;
    type SerializeTupleVariant = Open<'b>;
    type SerializeMap = Open<'b>;
    type SerializeStruct = Open<'b>;
    type SerializeStructVariant = Open<'b>;

    small_integers!(serialize_i8: i8, serialize_i16: i16, serialize_i32: i32);
    small_integers!(serialize_u8: u8, serialize_u16: u16, serialize_u32: u32);
    numbers!(serialize_i64: i64, serialize_u64: u64, serialize_f32: f32, serialize_f64: f64);

    fn serialize_bool(self, flag: bool) -> Result<Node, Error> {
        Ok(Node::Bool(flag))
    }

    fn serialize_char(self, letter: char) -> Result<Node, Error> {
        self.serialize_str(letter.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<Node, Error> {
        Ok(self.string(text))
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Node, Error> {
        self.collect_seq(bytes)
    }

    fn serialize_none(self) -> Result<Node, Error> {
        Ok(Node::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Node, Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Node, Error> {
        Ok(Node::Null)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Node, Error> {
        Ok(Node::Null)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Node, Error> {
        Ok(self.string(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Node, Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Node, Error> {
        let node = value.serialize(&mut *self)?;
        Ok(self.variant(variant, node))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Open<'b>, Error> {
        Ok(Open::new(self, None))
    }

    fn serialize_tuple(self, _: usize) -> Result<Open<'b>, Error> {
        Ok(Open::new(self, None))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Open<'b>, Error> {
        Ok(Open::new(self, None))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'b>, Error> {
        Ok(Open::new(self, Some(variant)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Open<'b>, Error> {
        Ok(Open::new(self, None))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Open<'b>, Error> {
        Ok(Open::new(self, None))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Open<'b>, Error> {
        Ok(Open::new(self, Some(variant)))
    }
}

/// An object or a list that is being read.
struct Open<'b> {
    builder: &'b mut Builder,
    /// Its first member among those that are open.
    first: usize,
    /// The key whose value comes next.
    key: Key,
    /// The variant whose content it is.
    variant: Option<&'static str>,
}

impl<'b> Open<'b> {
    fn new(builder: &'b mut Builder, variant: Option<&'static str>) -> Self {
        let first = builder.open.len();
        Self {
            builder,
            first,
            key: Key::Name(""),
            variant,
        }
    }

    fn close_list(self) -> Result<Node, Error> {
        let node = Node::List(self.builder.list(self.first));
        Ok(self.wrapped(node))
    }

    fn close_object(self) -> Result<Node, Error> {
        let node = self.builder.object(self.first);
        Ok(self.wrapped(node))
    }

    fn wrapped(self, node: Node) -> Node {
        match self.variant {
            Some(name) => self.builder.variant(name, node),
            None => node,
        }
    }
}

impl SerializeMap for Open<'_> {
    type Ok = Node;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        let text = match key.serialize(&mut *self.builder)? {
            Node::String(span) => span,
            Node::Integer(number) => self.builder.text(&number.to_string()),
            Node::Bool(flag) => self.builder.text(&flag.to_string()),
            _ => return Err(Error::custom("a key must be a string")),
        };
        self.key = Key::Text(text);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.builder.add(self.key, value)
    }

    fn end(self) -> Result<Node, Error> {
        self.close_object()
    }
}

macro_rules! objects {
    ($($kind:ident),*) => {
        $(impl $kind for Open<'_> {
            type Ok = Node;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.builder.add(Key::Name(name), value)
            }

            fn end(self) -> Result<Node, Error> {
                self.close_object()
            }
        })*
    };
}

macro_rules! lists {
    ($($kind:ident.$method:ident),*) => {
        $(impl $kind for Open<'_> {
            type Ok = Node;
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.builder.add(Key::Name(""), value)
            }

            fn end(self) -> Result<Node, Error> {
                self.close_list()
            }
        })*
    };
}

objects!(SerializeStruct, SerializeStructVariant);
lists!(
    SerializeSeq.serialize_element,
    SerializeTuple.serialize_element,
    SerializeTupleStruct.serialize_field,
    SerializeTupleVariant.serialize_field
);
