//! A text as a QR code of half blocks, two modules in one character, for a terminal with light letters on dark ground.

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

/// The code, a line end behind every row; `None` for a text that no QR code can hold.
pub fn render(text: &str) -> Option<String> {
    let code = QrCode::new(text).ok()?;
    // The light modules are painted: what a terminal leaves empty is dark.
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
    fn a_text_too_long_for_a_code_has_none() {
        assert_eq!(render(&"x".repeat(10_000)), None);
    }
}
