//! Rows of text in columns.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr;

use super::plain::plain;

/// `rows` with their cells below each other, two spaces apart; each cell in one line, and without what a terminal would obey.
pub fn aligned(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<_>> = rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let length = |row: &Vec<Cow<'_, str>>, column| row.get(column).map_or(0, |cell: &Cow<'_, str>| cell.width());
    let widths: Vec<_> =
        (0..columns).map(|column| rows.iter().map(|row| length(row, column)).max().unwrap_or(0)).collect();
    let line = |row: &Vec<Cow<'_, str>>| {
        // Some letters are two columns wide, which the width of a format does not know.
        let filled = |(cell, width): (&Cow<'_, str>, &usize)| format!("{cell}{}", " ".repeat(width - cell.width()));
        let cells = row.iter().zip(&widths).map(filled);
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_below_each_other_and_no_line_ends_with_spaces() {
        let rows = [["a", "bb", "c"], ["aaa", "b", ""]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), "a    bb  c\naaa  b\n");
    }

    #[test]
    fn letters_that_are_two_columns_wide_shift_nothing() {
        let rows = [["店", "b"], ["aaa", "c"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), "店   b\naaa  c\n");
    }
}
