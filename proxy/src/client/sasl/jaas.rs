//! Parses `sasl.jaas.config` like Kafka's `JaasConfig`: `CLASS FLAG name=value …;`, with the lexical rules of
//! Java's `StreamTokenizer`.

use std::collections::BTreeMap;
use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

/// One login module with its options. `Debug` hides the option values.
pub(crate) struct LoginModule {
    /// The class name.
    pub(crate) class: String,
    /// Options by name.
    pub(crate) options: BTreeMap<String, String>,
}

impl fmt::Debug for LoginModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoginModule({} {:?})", self.class, self.options.keys())
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// A bare word or a quoted text.
    Text(String),
    /// A number. Java does not accept a number as the value of an option.
    Number,
    Symbol(char),
    End,
}

/// The message does not quote the text: after an unescaped quote, what looks like a name may be part of a
/// password.
const NO_OPTION: &str = "expected name=\"value\" (write a quote inside a value as \\\")";

/// Parses the login module of a config; there must be exactly one.
///
/// # Errors
/// Returns the error as the end of a sentence. It never quotes the config.
pub(crate) fn parse(text: &str) -> Result<LoginModule, String> {
    let mut tokens = Tokens(text.chars().peekable());
    let Token::Text(class) = tokens.next() else {
        return Err("it does not begin with the class of a login module".into());
    };
    match tokens.next() {
        Token::Text(flag)
            if ["required", "requisite", "sufficient", "optional"]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(&flag)) => {}
        _ => return Err("the login module is not followed by a control flag, such as 'required'".into()),
    }
    let mut options = BTreeMap::new();
    loop {
        let name = match tokens.next() {
            Token::Symbol(';') => break,
            Token::Text(name) => name,
            Token::End => return Err("it does not end with a semicolon".into()),
            Token::Number | Token::Symbol(_) => return Err(NO_OPTION.into()),
        };
        if tokens.next() != Token::Symbol('=') {
            return Err(NO_OPTION.into());
        }
        match tokens.next() {
            Token::Text(value) => drop(options.insert(name, value)),
            Token::Number => {
                return Err("a value that begins like a number must be in double quotes".into());
            }
            Token::Symbol(_) | Token::End => return Err(NO_OPTION.into()),
        }
    }
    if tokens.next() != Token::End {
        return Err("it has more than one login module, or text after the semicolon".into());
    }
    Ok(LoginModule { class, options })
}

struct Tokens<'a>(Peekable<Chars<'a>>);

impl Tokens<'_> {
    fn next(&mut self) -> Token {
        loop {
            let Some(c) = self.0.next() else { return Token::End };
            match c {
                c if c <= ' ' => {}
                '/' => self.skip_comment(),
                '"' | '\'' => return self.quoted(c),
                c if is_letter(c) => return self.word(c),
                '0'..='9' => return self.number(),
                '-' | '.' if self.0.peek().is_some_and(|next| next.is_ascii_digit() || *next == '.') => {
                    return self.number();
                }
                c => return Token::Symbol(c),
            }
        }
    }

    fn word(&mut self, first: char) -> Token {
        let mut word = String::from(first);
        while let Some(c) = self.0.next_if(|c| is_letter(*c) || c.is_ascii_digit() || matches!(c, '.' | '-'))
        {
            word.push(c);
        }
        Token::Text(word)
    }

    fn number(&mut self) -> Token {
        while self.0.next_if(|c| c.is_ascii_digit() || *c == '.').is_some() {}
        Token::Number
    }

    /// Skips `//` and `/* */` comments. By Java's default a single slash begins a comment, too.
    fn skip_comment(&mut self) {
        if self.0.next_if_eq(&'*').is_some() {
            let mut before = ' ';
            for c in self.0.by_ref() {
                if before == '*' && c == '/' {
                    return;
                }
                before = c;
            }
            return;
        }
        while self.0.next_if(|c| !matches!(c, '\n' | '\r')).is_some() {}
    }

    /// Reads a text up to the closing quote. As in Java, the end of the line ends it, too.
    fn quoted(&mut self, quote: char) -> Token {
        let mut text = String::new();
        while let Some(c) = self.0.next_if(|c| !matches!(c, '\n' | '\r')) {
            match c {
                c if c == quote => break,
                '\\' => text.extend(self.escaped()),
                c => text.push(c),
            }
        }
        Token::Text(text)
    }

    fn escaped(&mut self) -> Option<char> {
        let c = self.0.next()?;
        Some(match c {
            '0'..='7' => {
                // At most three octal digits, up to 0377.
                let most = if c <= '3' { 2 } else { 1 };
                let mut value = c.to_digit(8)?;
                for _ in 0..most {
                    let Some(digit) = self.0.next_if(|c| c.is_digit(8)) else { break };
                    value = value * 8 + digit.to_digit(8)?;
                }
                char::from_u32(value)?
            }
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            other => other,
        })
    }
}

/// Returns true if a word may begin with this character.
fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '_' | '$') || c >= '\u{a0}'
}
