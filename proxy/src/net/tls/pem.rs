//! PEM as Kafka's configs hold it: files, or texts whose line breaks a .properties file has eaten.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One `BEGIN … END` block, decoded. `Debug` is left out on purpose: it may be a private key.
pub(super) struct Section {
    /// What stands behind `BEGIN`.
    pub(super) label: String,
    /// The bytes.
    pub(super) der: Vec<u8>,
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// All blocks of a text, in their order. What stands between them is ignored; white space inside of them, too, so that a block
/// may be written on one line.
///
/// # Errors
/// A block is not closed or not base64; the sentence says which.
pub(super) fn sections(text: &str) -> Result<Vec<Section>, String> {
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
                "the block '{label}' is encrypted in OpenSSL's old form; write it anew with `openssl pkcs8 -topk8 -in OLD -out NEW`"
            ));
        }
        let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        let der = STANDARD.decode(body).map_err(|_| format!("the block '{label}' is not base64"))?;
        sections.push(Section { label: label.to_owned(), der });
        rest = after;
    }
    Ok(sections)
}
