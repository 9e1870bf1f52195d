//! Renders a text as a QR code of half-block characters, two modules each, for terminals with light text on dark.

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code. The standard asks for four; on a dark terminal two are enough to find it.
const MARGIN: usize = 2;

/// The code, with a line ending after every row. `None` if the text is too long.
pub fn render(text: &str) -> Option<String> {
    // A terminal shows every module, and a code without spare ones has fewer rows.
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let (modules, width) = (code.to_colors(), code.width());
    let size = width + 2 * MARGIN;
    // Light modules are drawn, because empty cells are dark.
    let is_light = |x: usize, y: usize| {
        let inside = |at: usize| at.checked_sub(MARGIN).filter(|at| *at < width);
        inside(x).zip(inside(y)).is_none_or(|(x, y)| modules[y * width + x] == Color::Light)
    };
    let cell = |x, y| match (is_light(x, y), y + 1 < size && is_light(x, y + 1)) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    };
    Some((0..size).step_by(2).flat_map(|y| (0..size).map(move |x| cell(x, y)).chain(['\n'])).collect())
}

/// The modules of the code row by row, without the light margin: `1` is dark, `0` is light. Empty if the text is too long.
pub fn rows(text: &str) -> Vec<String> {
    let Ok(code) = QrCode::new(text) else { return Vec::new() };
    let dot = |color: &Color| if *color == Color::Dark { '1' } else { '0' };
    code.to_colors().chunks(code.width()).map(|row| row.iter().map(dot).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_a_square_of_blocks_with_a_light_margin() {
        let code = render("darkchat:test").expect("a short text fits");
        let rows: Vec<&str> = code.lines().collect();
        let width = rows[0].chars().count();
        assert!(rows.iter().all(|row| row.chars().count() == width));
        assert_eq!(rows.len(), width.div_ceil(2));
        assert!(rows[0].chars().all(|c| c == '█'), "{code}");
    }

    #[test]
    fn the_rows_of_a_code_are_a_square_with_the_pattern_of_its_corners() {
        let rows = rows("darkchat:test");
        assert!(rows.iter().all(|row| row.len() == rows.len()));
        assert!(["1111111", "1000001", "1011101"].iter().zip(&rows).all(|(corner, row)| row.starts_with(corner)));
    }

    #[test]
    fn a_text_that_is_too_long_has_no_code() {
        let text = "x".repeat(10_000);
        assert_eq!((render(&text), rows(&text)), (None, Vec::new()));
    }
}
