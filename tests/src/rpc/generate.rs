//! Generates arbitrary valid messages.

use serde_json::{Map, Value};

use super::schema::{Field, Kind};

/// Fixed values: `(name of the enclosing structure, field) → value`. The empty name stands for the message
/// itself. A field for which the function returns `None` gets a random value.
pub type Rules<'a> = &'a dyn Fn(&str, &Field, &mut fastrand::Rng) -> Option<Value>;

/// Returns a message of these fields: all kinds of values, nulls where allowed, arrays of up to three
/// elements.
pub fn generate(fields: &[Field], version: i16, rng: &mut fastrand::Rng, rules: Rules<'_>) -> Value {
    within("", fields, version, rng, rules)
}

fn within(name: &str, fields: &[Field], version: i16, rng: &mut fastrand::Rng, rules: Rules<'_>) -> Value {
    let mut message = Map::new();
    for field in fields.iter().filter(|field| field.versions.contains(&version)) {
        let is_tagged = field.tag.as_ref().is_some_and(|(_, versions)| versions.contains(&version));
        let value = match rules(name, field, rng) {
            Some(value) => value,
            None if is_tagged && rng.bool() => continue,
            None if field.nullable.contains(&version) && rng.u8(0..4) == 0 => Value::Null,
            None => value(&field.name, &field.kind, version, rng, rules),
        };
        let _ = message.insert(field.name.clone(), value);
    }
    Value::Object(message)
}

fn value(name: &str, kind: &Kind, version: i16, rng: &mut fastrand::Rng, rules: Rules<'_>) -> Value {
    match kind {
        Kind::Bool => Value::Bool(rng.bool()),
        Kind::Int8 => Value::from(rng.i8(..)),
        Kind::Int16 => Value::from(rng.i16(..)),
        Kind::Uint16 => Value::from(rng.u16(..)),
        Kind::Int32 => Value::from(rng.i32(..)),
        Kind::Int64 => Value::from(rng.i64(..)),
        // Multiples of 1/8 survive the way through JSON exactly.
        Kind::Float64 => Value::from(f64::from(rng.i32(..)) / 8.0),
        Kind::Text => {
            let length = if rng.u8(0..20) == 0 { 200 } else { rng.usize(0..12) };
            Value::from((0..length).map(|_| rng.alphanumeric()).collect::<String>())
        }
        Kind::Uuid => Value::from(format!("{:032x}", rng.u128(..))),
        Kind::Bytes => {
            let length = if rng.u8(0..10) == 0 { 70_000 } else { rng.usize(0..40) };
            Value::from((0..length).map(|_| format!("{:02x}", rng.u8(..))).collect::<String>())
        }
        Kind::Struct(fields) => within(name, fields, version, rng, rules),
        Kind::Array(element) => {
            let count = rng.usize(0..=3);
            Value::Array((0..count).map(|_| value(name, element, version, rng, rules)).collect())
        }
    }
}
