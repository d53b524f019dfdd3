//! XML as a tree of elements, taken apart piece by piece: what nobody took is what nobody knew.

use std::fmt;

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::TwimlError;
use super::write::is_legal;

/// One deeper than the deepest document of ours: `<Response><Connect><Stream><Parameter>`.
const DEEPEST: usize = 5;

/// An element, and what has not been taken out of it yet.
#[derive(Default)]
pub(super) struct Node {
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    pub(super) children: Vec<Self>,
    pub(super) text: String,
}

impl Node {
    /// An attribute's value, if it has one.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.attributes.iter().position(|(other, _)| other == name)?;
        Some(self.attributes.remove(at).1)
    }

    /// An attribute that must be there.
    pub(super) fn need(&mut self, name: &'static str) -> Result<String, TwimlError> {
        self.take(name).ok_or_else(|| TwimlError::Missing { what: name, element: self.name.clone() })
    }

    /// An attribute that is a number.
    pub(super) fn number(&mut self, name: &'static str) -> Result<Option<u32>, TwimlError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        match value.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(self.bad_value(name, value)),
        }
    }

    /// An attribute that may only say what it says when it is not there.
    pub(super) fn only(&mut self, name: &'static str, default: &str) -> Result<(), TwimlError> {
        match self.take(name) {
            Some(value) if value != default => Err(self.bad_value(name, value)),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn bad_value(&self, name: &'static str, value: String) -> TwimlError {
        TwimlError::Value { name, value, element: self.name.clone() }
    }

    /// Attributes that Twilio knows and that change nothing we look at.
    pub(super) fn pass_over(&mut self, names: &[&str]) {
        self.attributes.retain(|(name, _)| !names.contains(&name.as_str()));
    }

    /// Complains of text that is more than blanks.
    pub(super) fn no_text(&mut self) -> Result<(), TwimlError> {
        let text = std::mem::take(&mut self.text);
        if text.trim().is_empty() { Ok(()) } else { Err(TwimlError::Text(self.name.clone())) }
    }

    /// Its only child, which must have that name.
    pub(super) fn only_child(&mut self, name: &'static str) -> Result<Self, TwimlError> {
        self.no_text()?;
        let is_it = |child: &Self| child.name == name;
        let at = self.children.iter().position(is_it);
        let at = at.ok_or_else(|| TwimlError::Missing { what: name, element: self.name.clone() })?;
        Ok(self.children.remove(at))
    }

    /// Complains of what was not taken.
    pub(super) fn done(self) -> Result<(), TwimlError> {
        if let Some(child) = self.children.into_iter().next() {
            return Err(TwimlError::Element { name: child.name, inside: self.name });
        }
        match self.attributes.into_iter().next() {
            Some((name, _)) => Err(TwimlError::Attribute { name, element: self.name }),
            None => Ok(()),
        }
    }
}

/// Reads a document with one root, without judging its names.
pub(super) fn tree(xml: &str) -> Result<Node, TwimlError> {
    let mut reader = Reader::from_str(xml);
    let mut open: Vec<Node> = Vec::new();
    let mut root = None;
    loop {
        let event = reader.read_event().map_err(|why| not_xml(&why))?;
        let closed = match event {
            Event::Start(start) => {
                open.push(node(&start)?);
                if open.len() > DEEPEST {
                    return Err(not_xml(&"it is nested too deeply"));
                }
                None
            }
            Event::Empty(start) => Some(node(&start)?),
            Event::End(_) => open.pop(),
            Event::Text(text) => text_into(open.last_mut(), &text.xml10_content()).map(|()| None)?,
            Event::CData(text) => text_into(open.last_mut(), &text.xml10_content()).map(|()| None)?,
            Event::GeneralRef(name) => text_into(open.last_mut(), &resolved(&name)?).map(|()| None)?,
            Event::DocType(_) => return Err(not_xml(&"a document type is not read")),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) => None,
            Event::Eof => break,
        };
        match (closed, open.last_mut()) {
            (Some(child), Some(parent)) => parent.children.push(child),
            (Some(_), None) if root.is_some() => return Err(not_xml(&"it has two roots")),
            (Some(child), None) => root = Some(child),
            (None, _) => {}
        }
    }
    if open.is_empty() {
        root.ok_or_else(|| not_xml(&"it has no root"))
    } else {
        Err(not_xml(&"it ends too early"))
    }
}

fn node(start: &BytesStart<'_>) -> Result<Node, TwimlError> {
    let mut node = Node { name: start.name().0.to_owned(), ..Node::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|why| not_xml(&why))?;
        let value = attribute.normalized_value(XmlVersion::Explicit1_0).map_err(|why| not_xml(&why))?;
        node.attributes.push((attribute.key.0.to_owned(), legal(&value)?.to_owned()));
    }
    Ok(node)
}

fn text_into(node: Option<&mut Node>, text: &str) -> Result<(), TwimlError> {
    let text = legal(text)?;
    match node {
        Some(node) => node.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(not_xml(&"there is text outside its root")),
    }
    Ok(())
}

fn resolved(name: &BytesRef<'_>) -> Result<String, TwimlError> {
    if let Some(letter) = name.resolve_char_ref().map_err(|why| not_xml(&why))? {
        return Ok(letter.to_string());
    }
    let known = resolve_predefined_entity(&name.xml10_content()).map(str::to_owned);
    known.ok_or_else(|| not_xml(&"an entity has no meaning"))
}

fn legal(text: &str) -> Result<&str, TwimlError> {
    if text.chars().all(is_legal) { Ok(text) } else { Err(not_xml(&"it holds a control character")) }
}

fn not_xml(why: &dyn fmt::Display) -> TwimlError {
    TwimlError::Xml(why.to_string())
}
