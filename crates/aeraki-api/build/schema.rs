//! Writes the tables behind `src/schema.rs`: the fields of every message of Istio's API, by their names in JSON.

use std::fmt::Write as _;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet};

/// The tables of the packages that begin with `prefix`, as Rust.
pub(crate) fn tables(descriptors: &FileDescriptorSet, prefix: &str) -> String {
    let mut tables = Tables::default();
    let files: Vec<_> = descriptors
        .file
        .iter()
        .filter(|f| f.package().starts_with(prefix))
        .collect();
    for file in &files {
        let package = format!(".{}", file.package());
        file.message_type
            .iter()
            .for_each(|message| tables.collect(&package, message));
        file.enum_type
            .iter()
            .for_each(|kind| tables.enumeration(&package, kind));
    }
    tables.rust()
}

#[derive(Default)]
struct Tables<'a> {
    /// Full name, with the dot in front, and the message.
    messages: Vec<(String, &'a DescriptorProto)>,
    enums: Vec<(String, &'a EnumDescriptorProto)>,
}

impl<'a> Tables<'a> {
    fn collect(&mut self, scope: &str, message: &'a DescriptorProto) {
        let name = format!("{scope}.{}", message.name());
        message
            .nested_type
            .iter()
            .for_each(|nested| self.collect(&name, nested));
        message
            .enum_type
            .iter()
            .for_each(|kind| self.enumeration(&name, kind));
        self.messages.push((name, message));
    }

    fn enumeration(&mut self, scope: &str, kind: &'a EnumDescriptorProto) {
        self.enums.push((format!("{scope}.{}", kind.name()), kind));
    }

    fn rust(&self) -> String {
        let is_entry = |message: &DescriptorProto| {
            message
                .options
                .as_ref()
                .is_some_and(prost_types::MessageOptions::map_entry)
        };
        let mut messages: Vec<_> = self.messages.iter().filter(|(_, m)| !is_entry(m)).collect();
        messages.sort_by(|a, b| a.0.cmp(&b.0));
        let mut text = String::new();
        for (name, message) in &messages {
            let fields: String = message
                .field
                .iter()
                .map(|field| self.field(message, field))
                .collect();
            let short = message.name();
            let (constant, full) = (constant(name), name.trim_start_matches('.'));
            writeln!(
                text,
                "static {constant}: Message = Message {{ name: {short:?}, full_name: {full:?}, fields: &[{fields}] }};"
            )
            .expect("a String takes all");
        }
        let list: String = messages
            .iter()
            .map(|(name, _)| format!("&{}, ", constant(name)))
            .collect();
        writeln!(text, "static MESSAGES: &[&Message] = &[{list}];").expect("a String takes all");
        text
    }

    fn field(&self, message: &DescriptorProto, field: &FieldDescriptorProto) -> String {
        let (name, json) = (field.name(), field.json_name());
        let entry = self.message(field).filter(|_| self.is_map(field));
        let shape = match entry {
            Some(entry) => format!("Shape::Map(&{})", self.shape(&entry.field[1])),
            None if field.label() == Label::Repeated => {
                format!("Shape::List(&{})", self.shape(field))
            }
            None => self.shape(field),
        };
        let oneof = field.oneof_index.filter(|_| !field.proto3_optional());
        let oneof = oneof.and_then(|index| message.oneof_decl.get(usize::try_from(index).ok()?));
        let oneof = oneof.map(prost_types::OneofDescriptorProto::name);
        format!(
            "Field {{ name: {json:?}, snake_case: {name:?}, oneof: {oneof:?}, shape: {shape} }}, "
        )
    }

    fn shape(&self, field: &FieldDescriptorProto) -> String {
        match field.r#type() {
            Type::String | Type::Bytes => "Shape::Text".to_owned(),
            Type::Bool => "Shape::Flag".to_owned(),
            Type::Float | Type::Double => "Shape::Number { quoted: true }".to_owned(),
            Type::Int32 | Type::Sint32 | Type::Sfixed32 => integer(
                i64::from(i32::MIN),
                u64::from(i32::MAX.unsigned_abs()),
                true,
            ),
            Type::Int64 | Type::Sint64 | Type::Sfixed64 => {
                integer(i64::MIN, i64::MAX.unsigned_abs(), true)
            }
            Type::Uint32 | Type::Fixed32 => integer(0, u64::from(u32::MAX), true),
            Type::Uint64 | Type::Fixed64 => integer(0, u64::MAX, true),
            Type::Enum => {
                let kind = self
                    .enums
                    .iter()
                    .find(|(name, _)| name == field.type_name());
                let values: Vec<(&str, i32)> = kind
                    .iter()
                    .flat_map(|(_, kind)| &kind.value)
                    .map(|v| (v.name(), v.number()))
                    .collect();
                format!("Shape::Word(&{values:?})")
            }
            Type::Message | Type::Group => match field.type_name() {
                ".google.protobuf.BoolValue" => "Shape::Flag".to_owned(),
                // Wrappers are decoded as the plain number, which never stands in quotes.
                ".google.protobuf.DoubleValue" => "Shape::Number { quoted: false }".to_owned(),
                ".google.protobuf.UInt32Value" => integer(0, u64::from(u32::MAX), false),
                ".google.protobuf.Duration" => "Shape::Duration".to_owned(),
                ".google.protobuf.Timestamp" => "Shape::Timestamp".to_owned(),
                ".google.protobuf.Struct" | ".google.protobuf.Any" => "Shape::Free".to_owned(),
                name => format!("Shape::Message(&{})", constant(name)),
            },
        }
    }

    fn message(&self, field: &FieldDescriptorProto) -> Option<&DescriptorProto> {
        self.messages
            .iter()
            .find(|(name, _)| name == field.type_name())
            .map(|(_, message)| *message)
    }

    fn is_map(&self, field: &FieldDescriptorProto) -> bool {
        let options = self
            .message(field)
            .and_then(|message| message.options.as_ref());
        options.is_some_and(prost_types::MessageOptions::map_entry)
    }
}

fn integer(least: i64, most: u64, quoted: bool) -> String {
    format!("Shape::Integer {{ least: {least}, most: {most}, quoted: {quoted} }}")
}

fn constant(name: &str) -> String {
    name.trim_start_matches('.')
        .replace('.', "__")
        .to_uppercase()
}
