//! PEM as Kafka's configs hold it: in files, or in texts whose line breaks the .properties format has
//! removed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One decoded `BEGIN … END` block. It has no `Debug`, since it may be a private key.
pub(crate) struct Section {
    /// The text after `BEGIN`.
    pub(crate) label: String,
    /// The decoded bytes.
    pub(crate) der: Vec<u8>,
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// Returns all blocks of a text in order. Ignores text between blocks, and white space inside of them: a
/// block may be on one line.
///
/// # Errors
/// Fails if a block is not closed or is not base64. The message names the block.
pub(crate) fn sections(text: &str) -> Result<Vec<Section>, String> {
    let mut sections = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(BEGIN) {
        rest = &rest[at + BEGIN.len()..];
        let (label, body) =
            rest.split_once(DASHES).ok_or("a BEGIN line has no end: the PEM text is cut short")?;
        let end = format!("{END}{label}{DASHES}");
        let (body, after) = body
            .split_once(end.as_str())
            .ok_or_else(|| format!("the block '{label}' has no end: the PEM text is cut short"))?;
        if body.contains("Proc-Type:") {
            return Err(format!(
                "the block '{label}' is encrypted in OpenSSL's old form; convert it with `openssl pkcs8 \
                 -topk8 -in OLD -out NEW`"
            ));
        }
        let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        let der = STANDARD.decode(body).map_err(|_| format!("the block '{label}' is not base64"))?;
        sections.push(Section { label: label.to_owned(), der });
        rest = after;
    }
    Ok(sections)
}
