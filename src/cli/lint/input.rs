//! The files that are looked at.

use std::{
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

/// A text and where it comes from.
#[derive(Debug, Clone)]
pub struct Text {
    /// The file as it was named, or `-` for the standard input.
    pub file: String,
    /// What it says.
    pub text: String,
}

/// Reads `paths`: files, folders with all their YAML files, and `-` for the standard input.
///
/// # Errors
/// Which of them cannot be read, or holds nothing to read.
pub fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<Text>> {
    let mut texts = Vec::new();
    for path in paths {
        if path == Path::new("-") {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text).context("the standard input cannot be read as text")?;
            texts.push(Text { file: "-".to_owned(), text });
        } else if path.is_dir() {
            let files = yaml_files(path)?;
            if files.is_empty() {
                bail!("{} holds no files that end in .yaml or .yml", path.display());
            }
            for file in files {
                texts.push(read_file(&file)?);
            }
        } else {
            texts.push(read_file(path)?);
        }
    }
    Ok(texts)
}

fn read_file(path: &Path) -> anyhow::Result<Text> {
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(Text { file: path.display().to_string(), text })
}

/// All YAML files below `folder`, by name. Links to folders are not followed: they may lead in a circle.
fn yaml_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listed = || format!("{} cannot be listed", folder.display());
    let entries = fs::read_dir(folder).with_context(listed)?.collect::<Result<Vec<_>, _>>().with_context(listed)?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            if !path.is_symlink() {
                files.extend(yaml_files(&path)?);
            }
        } else if path.extension().is_some_and(|end| end == "yaml" || end == "yml") {
            files.push(path);
        }
    }
    Ok(files)
}
