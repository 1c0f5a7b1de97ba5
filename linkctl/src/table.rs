//! Formats rows as aligned columns, or separated by tabs for scripts. No I/O.

use comfy_table::{CellAlignment, Table, presets};

/// Heading and rows of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    heading: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Rows {
    /// Creates an empty listing. Columns with a numeric heading (`LAG`, `PARTITION`, …) are right-aligned.
    #[must_use]
    pub fn new(heading: &[&'static str]) -> Self {
        Rows { heading: heading.to_vec(), rows: Vec::new() }
    }

    /// Adds a row. Replaces line breaks, tabs and other control characters in cells by blanks.
    pub fn push<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into_iter().map(|cell| cell.replace(char::is_control, " ")).collect());
    }

    /// Returns true if there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Formats aligned columns below their heading, without borders.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = Table::new();
        let _ = table.load_style(presets::NOTHING).set_header(&self.heading).add_rows(&self.rows);
        for (index, name) in self.heading.iter().enumerate() {
            if let Some(column) = table.column_mut(index) {
                let _ = column.set_padding((0, 2));
                if NUMBERS.contains(name) {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        let text = table.to_string();
        text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    /// Formats one line per row, with tabs between cells.
    #[must_use]
    pub fn plain(&self) -> String {
        self.rows.iter().map(|row| row.join("\t")).collect::<Vec<_>>().join("\n")
    }
}

const NUMBERS: &[&str] = &[
    "PARTITION",
    "PARTITIONS",
    "LAG",
    "MAX LAG",
    "MIRRORS",
    "LOG START",
    "LOG END",
    "SOURCE START",
    "SOURCE HW",
    "LAST FETCH MS",
    "START",
    "TO FILL",
    "TO COPY",
    "READ TO",
    "READ UNTIL",
    "FILLER",
    "BATCHES",
    "LAST FILLER",
    "REQUESTS",
    "RECORD",
    "IN",
    "OUT",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_cells_stay_on_their_line() {
        let mut rows = Rows::new(&["TOPIC", "LAG", "STATE"]);
        rows.push(["users".to_owned(), "7".to_owned(), "ACTIVE".to_owned()]);
        rows.push(["a-longer-name".to_owned(), "1234".to_owned(), "FAILED\nbadly".to_owned()]);
        assert_eq!(
            rows.table(),
            "TOPIC           LAG  STATE\nusers             7  ACTIVE\na-longer-name  1234  FAILED badly"
        );
        assert_eq!(rows.plain(), "users\t7\tACTIVE\na-longer-name\t1234\tFAILED badly");
    }
}
