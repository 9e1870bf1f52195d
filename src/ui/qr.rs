//! Renders a text as a QR code of half-block characters, two modules each, for terminals with light text on dark.

use qrcode::render::unicode::Dense1x2;
use qrcode::{Color, QrCode};

/// The code, with a line ending after every row. `None` if the text is too long.
pub fn render(text: &str) -> Option<String> {
    let code = QrCode::new(text).ok()?;
    // Light modules are drawn, because empty cells are dark.
    let image = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    Some(image + "\n")
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
