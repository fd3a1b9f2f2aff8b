//! Generates the bindings anew and compares them with those checked in.

#[cfg(test)]
mod bindings {
    use std::path::{Path, PathBuf};

    fn proto_files(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                proto_files(&path, found);
            } else if path.extension().is_some_and(|ext| ext == "proto") {
                found.push(path);
            }
        }
    }

    /// Full names of the plain fields (those outside a oneof) of the messages of `socket/v1`.
    fn socket_fields(descriptors: &prost_types::FileDescriptorSet) -> Vec<String> {
        descriptors
            .file
            .iter()
            .filter(|file| file.package() == "parlance.socket.v1")
            .flat_map(|file| &file.message_type)
            .flat_map(|message| {
                message
                    .field
                    .iter()
                    .filter(|field| field.oneof_index.is_none())
                    .map(|field| format!(".parlance.socket.v1.{}.{}", message.name(), field.name()))
            })
            .collect()
    }

    #[test]
    fn bindings_are_fresh() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.join("../../proto").canonicalize().unwrap();
        let mut files = Vec::new();
        proto_files(&root, &mut files);
        files.sort();

        let descriptors = protox::compile(&files, [&root]).unwrap();
        let out = tempfile::tempdir().unwrap();
        let mut config = tonic_prost_build::Config::new();
        config.include_file("mod.rs");
        let mut builder = tonic_prost_build::configure();
        // REST answers hold these too: their schema says that every field of its own is there.
        for field in socket_fields(&descriptors) {
            builder = builder.field_attribute(field, "#[schema(required = true)]");
        }
        builder
            .out_dir(out.path())
            .type_attribute(
                ".parlance.socket.v1",
                "#[derive(serde::Serialize, serde::Deserialize, utoipa::ToSchema)]",
            )
            .message_attribute(".parlance.socket.v1", "#[serde(default)]")
            .enum_attribute(
                ".parlance.socket.v1",
                "#[serde(rename_all = \"snake_case\")]",
            )
            .emit_rerun_if_changed(false)
            .compile_fds_with_config(descriptors.clone(), config)
            .unwrap();
        std::fs::write(
            out.path().join("descriptors.binpb"),
            prost::Message::encode_to_vec(&descriptors),
        )
        .unwrap();

        // A oneof is no level of its own in JSON. A `field_attribute` would reach its variants too.
        let socket = out.path().join("parlance.socket.v1.rs");
        let mut text = std::fs::read_to_string(&socket).unwrap();
        for oneof in [
            "change::Change",
            "react::Reaction",
            "entry::Change",
            "reacted::Reaction",
        ] {
            // An attribute that is too long for a line is broken into several.
            let forms = [
                format!("    #[prost(oneof = \"{oneof}\""),
                format!("    #[prost(\n        oneof = \"{oneof}\""),
            ];
            let form = forms.iter().find(|form| text.contains(*form)).unwrap();
            text = text.replace(form, &format!("    #[serde(flatten)]\n{form}"));
        }
        std::fs::write(&socket, text).unwrap();

        let checked_in = here.join("src/gen");
        let mut stale = Vec::new();
        for entry in std::fs::read_dir(out.path()).unwrap() {
            let fresh = entry.unwrap().path();
            let name = fresh.file_name().unwrap().to_owned();
            let fresh = std::fs::read(&fresh).unwrap();
            let target = checked_in.join(&name);
            if std::fs::read(&target).ok().as_deref() != Some(&fresh) {
                if std::env::var_os("UPDATE_BINDINGS").is_some() {
                    std::fs::write(&target, &fresh).unwrap();
                } else {
                    stale.push(name);
                }
            }
        }
        assert!(
            stale.is_empty(),
            "stale: {stale:?}; write them with UPDATE_BINDINGS=1 cargo test -p proto"
        );
    }
}
