use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use prost_types::{DescriptorProto, FileDescriptorSet};

use super::document;

/// Schemas of the document and their properties, by their indentation: the document is in block style.
fn schemas(document: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut schemas = BTreeMap::<String, BTreeSet<String>>::new();
    let (_, lines) = document
        .split_once("\n  schemas:\n")
        .expect("there are schemas");
    let (mut schema, mut in_properties) = (String::new(), false);
    for line in lines.lines() {
        let indentation = line.len() - line.trim_start().len();
        let Some(key) = line.trim().split_once(':').map(|(key, _)| key.to_owned()) else {
            continue;
        };
        match indentation {
            4 => {
                schemas.insert(key.clone(), BTreeSet::new());
                schema = key;
            }
            6 => in_properties = key == "properties",
            8 if in_properties => {
                schemas.entry(schema.clone()).or_default().insert(key);
            }
            _ => {}
        }
    }
    schemas
}

fn fields(message: &DescriptorProto) -> BTreeSet<String> {
    message
        .field
        .iter()
        .map(|field| field.name().to_owned())
        .collect()
}

/// The schema of the object that holds a frame: `StateFrame` for `state`.
fn wrapper(frame: &str) -> String {
    let words = frame.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        first.to_uppercase() + rest
    });
    words.collect::<String>() + "Frame"
}

#[test]
fn asyncapi_has_every_frame_and_field_of_the_socket() {
    let descriptors = FileDescriptorSet::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
    let file = descriptors
        .file
        .iter()
        .find(|file| file.package() == "parlance.socket.v1")
        .unwrap();
    let document = document("docs/asyncapi.yaml");
    let mut documented = schemas(&document);
    for message in &file.message_type {
        match message.name() {
            // JSON has one object with one member for each of them.
            "ClientFrame" | "ServerFrame" => {
                for field in &message.field {
                    let frame = field.name();
                    let payload = field.type_name().rsplit('.').next().unwrap_or_default();
                    // Both sides may have a frame of one name, with other contents.
                    let wrapped = documented
                        .remove(&format!("{payload}Frame"))
                        .or_else(|| documented.remove(&wrapper(frame)));
                    assert_eq!(
                        wrapped,
                        Some(BTreeSet::from([frame.to_owned()])),
                        "frame `{frame}`"
                    );
                    assert!(
                        document.contains(&format!("\n    {frame}:\n")),
                        "message `{frame}`"
                    );
                }
            }
            name => {
                assert_eq!(
                    documented.remove(name),
                    Some(fields(message)),
                    "schema `{name}`"
                );
            }
        }
    }
    assert!(documented.is_empty(), "no such message: {documented:?}");
}
