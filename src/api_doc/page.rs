//! The page for people: the document as one piece of HTML, with anchors, nothing from elsewhere and no script. Every
//! text of the document is escaped.

use std::fmt::{self, Display, Write};

use serde_json::{Map, Value};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}\
    code{font:14px ui-monospace,monospace;background:#f3f3f3;padding:1px 4px;overflow-wrap:anywhere}\
    table{border-collapse:collapse;width:100%;margin:.5rem 0}\
    th,td{text-align:left;vertical-align:top;padding:4px 8px;border-bottom:1px solid #ddd}\
    section{border-top:1px solid #ddd;margin-top:1.5rem}nav ul{columns:2}h3 code{font-size:16px}";

/// Each place where an operation can stand, in the order of the page.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The page of a document.
pub(super) fn write(document: &Value) -> String {
    let mut page = String::new();
    // Writing to a text does not fail.
    let _ = Page { document }.fmt_into(&mut page);
    page
}

/// A text in which nothing is markup.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c => f.write_char(c),
        })
    }
}

/// The member of this name as escaped text, empty if it is none.
fn text<'a>(value: &'a Value, name: &str) -> Text<'a> {
    Text(value.get(name).and_then(Value::as_str).unwrap_or_default())
}

fn members<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.get(name).and_then(Value::as_object).into_iter().flat_map(Map::iter)
}

fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

struct Page<'a> {
    document: &'a Value,
}

impl Page<'_> {
    fn fmt_into(&self, out: &mut String) -> fmt::Result {
        let info = self.document.get("info").unwrap_or(&Value::Null);
        let title = text(info, "title");
        write!(
            out,
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>{STYLE}</style>\
             <h1>{title} {}</h1><p>{}</p><p>The same for programs: <a href=\"openapi.json\">openapi.json</a></p><nav>",
            text(info, "version"),
            text(info, "description"),
        )?;
        for tag in items(self.document, "tags") {
            write!(out, "<h4>{}</h4><ul>", text(tag, "name"))?;
            for (path, method, operation) in self.operations(tag) {
                write!(
                    out,
                    "<li><a href=\"#{}\"><code>{} {}</code></a>",
                    text(operation, "operationId"),
                    method.to_uppercase(),
                    Text(path)
                )?;
            }
            out.push_str("</ul>");
        }
        out.push_str(
            "<h4><a href=\"#authentication\">Authentication</a></h4><h4><a href=\"#schemas\">Schemas</a></h4></nav>",
        );
        for tag in items(self.document, "tags") {
            write!(out, "<h2>{}</h2><p>{}</p>", text(tag, "name"), text(tag, "description"))?;
            for (path, method, operation) in self.operations(tag) {
                write_operation(out, path, method, operation)?;
            }
        }
        self.write_components(out)
    }

    /// The operations under a tag: path, method, description.
    fn operations<'b>(&'b self, tag: &'b Value) -> impl Iterator<Item = (&'b str, &'static str, &'b Value)> {
        let all = members(self.document, "paths").flat_map(|(path, item)| {
            METHODS.into_iter().filter_map(move |method| Some((path.as_str(), method, item.get(method)?)))
        });
        all.filter(move |(_, _, operation)| items(operation, "tags").any(|name| Some(name) == tag.get("name")))
    }

    fn write_components(&self, out: &mut String) -> fmt::Result {
        let components = self.document.get("components").unwrap_or(&Value::Null);
        out.push_str("<h2 id=\"authentication\">Authentication</h2><table>");
        for (name, scheme) in members(components, "securitySchemes") {
            write!(out, "<tr><td><code>{}</code><td>{}", Text(name), text(scheme, "description"))?;
        }
        out.push_str("</table><h2 id=\"schemas\">Schemas</h2>");
        for (name, schema) in members(components, "schemas") {
            write!(out, "<section id=\"schema-{0}\"><h3><code>{0}</code></h3>", Text(name))?;
            write_schema(out, schema)?;
            out.push_str("</section>");
        }
        out.push_str("</html>");
        Ok(())
    }
}

fn write_operation(out: &mut String, path: &str, method: &str, operation: &Value) -> fmt::Result {
    let (id, method, path) = (text(operation, "operationId"), method.to_uppercase(), Text(path));
    write!(out, "<section id=\"{id}\"><h3><code>{method} {path}</code></h3>")?;
    write!(out, "<p>{} {}</p>", text(operation, "summary"), text(operation, "description"))?;
    write_security(out, operation)?;
    if operation.get("parameters").is_some() {
        out.push_str("<table><tr><th>parameter<th>in<th>value<th>");
        for parameter in items(operation, "parameters") {
            let schema = parameter.get("schema").unwrap_or(&Value::Null);
            write!(
                out,
                "<tr><td><code>{}</code><td>{}<td>{}<td>{}",
                text(parameter, "name"),
                text(parameter, "in"),
                Kind(schema),
                text(parameter, "description")
            )?;
        }
        out.push_str("</table>");
    }
    if let Some(body) = operation.get("requestBody") {
        out.push_str("<p>Body: ");
        write_content(out, body)?;
        out.push_str("</p>");
    }
    out.push_str("<table><tr><th>status<th>meaning<th>body");
    for (status, response) in members(operation, "responses") {
        write!(out, "<tr><td>{}<td>{}<td>", Text(status), text(response, "description"))?;
        write_content(out, response)?;
    }
    out.push_str("</table></section>");
    Ok(())
}

fn write_security(out: &mut String, operation: &Value) -> fmt::Result {
    let mut ways = Vec::new();
    for way in items(operation, "security").filter_map(Value::as_object) {
        let names: Vec<String> = way.keys().map(|name| format!("<code>{}</code>", Text(name))).collect();
        ways.push(if names.is_empty() { "credentials in the form".to_owned() } else { names.join(" and ") });
    }
    let ways = if ways.is_empty() { "none".to_owned() } else { ways.join(", or ") };
    write!(out, "<p><a href=\"#authentication\">Authentication</a>: {ways}</p>")
}

fn write_content(out: &mut String, holder: &Value) -> fmt::Result {
    for (media_type, content) in members(holder, "content") {
        let schema = content.get("schema").unwrap_or(&Value::Null);
        write!(out, "<code>{}</code> {} ", Text(media_type), Kind(schema))?;
    }
    Ok(())
}

fn write_schema(out: &mut String, schema: &Value) -> fmt::Result {
    write!(out, "<p>{}</p>", text(schema, "description"))?;
    if schema.get("properties").is_none() {
        return write!(out, "<p>{}</p>", Kind(schema));
    }
    out.push_str("<table><tr><th>member<th>value<th>");
    for (name, property) in members(schema, "properties") {
        let required = items(schema, "required").any(|required| required == name);
        let required = if required { "" } else { " (optional)" };
        write!(out, "<tr><td><code>{}</code>{required}<td>{}<td>", Text(name), Kind(property))?;
        write!(out, "{}", text(property, "description"))?;
    }
    out.push_str("</table>");
    Ok(())
}

/// What bounds a value, in the order of the page.
const BOUNDS: [&str; 11] = [
    "enum",
    "format",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "default",
    "const",
];

/// What kind of value a schema describes, in one line.
struct Kind<'a>(&'a Value);

impl Display for Kind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = self.0;
        if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.rsplit('/').next()) {
            return write!(f, "<a href=\"#schema-{0}\">{0}</a>", Text(name));
        }
        for (word, between) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " with ")] {
            for (index, part) in items(schema, word).enumerate() {
                write!(f, "{}{}", if index == 0 { "" } else { between }, Kind(part))?;
            }
        }
        match schema.get("type") {
            Some(Value::String(name)) if name == "array" => {
                write!(f, "list of {}", Kind(schema.get("items").unwrap_or(&Value::Null)))?;
            }
            Some(Value::String(name)) => write!(f, "{}", Text(name))?,
            Some(Value::Array(names)) => {
                let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                write!(f, "{}", Text(&names.join(" or ")))?;
            }
            _ => {}
        }
        let object =
            members(schema, "properties").map(|(name, property)| (name, property.get("enum").unwrap_or(property)));
        for (name, property) in object {
            write!(f, " <code>{}</code>: {}", Text(name), Kind(property))?;
        }
        for bound in BOUNDS {
            match schema.get(bound) {
                Some(Value::String(value)) => write!(f, ", {bound} <code>{}</code>", Text(value))?,
                Some(value) => write!(f, ", {bound} <code>{}</code>", Text(&value.to_string()))?,
                None => {}
            }
        }
        Ok(())
    }
}
