//! Renders a text as a QR code of half-block characters, two modules each, for terminals with light text on dark.

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

/// The code, with a line ending after every row. `None` if the text is too long.
pub fn render(text: &str) -> Option<String> {
    let code = QrCode::new(text).ok()?;
    // Light modules are drawn, because empty cells are dark.
    let image = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
    Some(image + "\n")
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
    fn a_text_that_is_too_long_has_no_code() {
        assert_eq!(render(&"x".repeat(10_000)), None);
    }
}
