//! `linkctl`: cluster links and mirror topics of Linkgate.
fn main() {}
