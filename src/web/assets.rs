//! The files of the page. They are part of the program.

/// A file of the page.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Where it is.
    pub path: &'static str,
    /// The type of its content.
    pub kind: &'static str,
    /// Its content.
    pub text: &'static str,
}

macro_rules! asset {
    ($path:literal, $kind:literal, $file:literal) => {
        Asset { path: $path, kind: $kind, text: include_str!(concat!("assets/", $file)) }
    };
}

/// All of them.
pub const ASSETS: &[Asset] = &[
    asset!("/", "text/html; charset=utf-8", "index.html"),
    asset!("/app.css", "text/css; charset=utf-8", "app.css"),
    asset!("/app.js", "text/javascript; charset=utf-8", "app.js"),
    asset!("/api.js", "text/javascript; charset=utf-8", "api.js"),
    asset!("/chat.js", "text/javascript; charset=utf-8", "chat.js"),
    asset!("/doctor.js", "text/javascript; charset=utf-8", "doctor.js"),
    asset!("/dom.js", "text/javascript; charset=utf-8", "dom.js"),
    asset!("/draft.js", "text/javascript; charset=utf-8", "draft.js"),
    asset!("/map.js", "text/javascript; charset=utf-8", "map.js"),
    asset!("/notify.js", "text/javascript; charset=utf-8", "notify.js"),
    asset!("/icon.svg", "image/svg+xml", "icon.svg"),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The design's bound on the page, which is loaded over slow lines too.
    const MAX_SIZE: usize = 100_000;

    #[test]
    fn the_page_is_small_and_names_no_other_site() {
        let size: usize = ASSETS.iter().map(|asset| asset.text.len()).sum();
        assert!(size < MAX_SIZE, "{size} bytes");
        for asset in ASSETS {
            let foreign = asset.text.matches("http").count() - asset.text.matches("http://www.w3.org/2000/svg").count();
            assert_eq!(foreign, 0, "{}", asset.path);
        }
    }

    #[test]
    fn the_page_has_a_control_for_every_macro_that_a_verdict_names() {
        let verdicts = include_str!("../ui/doctor/verdict.rs");
        let page = include_str!("assets/doctor.js");
        let texts = verdicts.lines().filter(|line| line.contains("r\""));
        let named: Vec<&str> = texts.filter_map(|line| line.split('\\').nth(1)?.split([' ', '"']).next()).collect();
        assert!(named.contains(&"ping") && named.contains(&"add"), "{named:?}");
        for name in named {
            assert!(page.contains(&format!("\n  {name}: (")), "{name}");
        }
    }

    #[test]
    fn the_page_makes_no_markup_from_text() {
        for asset in ASSETS {
            for way in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "style="]
            {
                assert!(!asset.text.contains(way), "{} has {way}", asset.path);
            }
        }
    }
}
