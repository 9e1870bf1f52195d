//! Draws a chart as SVG, readable in light and dark mode, without scripts or embedded fonts.

use std::fmt::Write;

use super::chart::{Axis, Chart, Scale};
use super::samples::{Curve, Point};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 372.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 540.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 318.0;
/// The least distance between two labels.
const LABEL: f64 = 17.0;

/// Colours of the curves; published measurements are also dashed.
const STYLE: &str = "\
text{font:13px sans-serif;fill:#1f2328}.title{font-weight:bold}.paper{fill:#fff}.grid{stroke:#d8dee4}.line{fill:none;stroke-width:2}
.c0{stroke:#0969da}.c1{stroke:#1a7f37}.c2{stroke:#bc4c00}.c3{stroke:#8250df}.c4{stroke:#bf3989}.c5{stroke:#6e7781}.theirs{stroke-dasharray:6 4}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.paper{fill:#0d1117}.grid{stroke:#30363d}
.c0{stroke:#58a6ff}.c1{stroke:#3fb950}.c2{stroke:#f0883e}.c3{stroke:#bc8cff}.c4{stroke:#f778ba}.c5{stroke:#8b949e}}
";
const COLOURS: usize = 6;

pub fn draw(chart: &Chart, curves: &[&Curve]) -> String {
    let most = curves.iter().flat_map(|curve| &curve.points).map(|point| point.high).fold(0.0, f64::max);
    let chart = &Chart { across: chart.across.clone(), up: chart.up.reaching(most), ..*chart };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{0}\">\n\
         <title>{0}</title>\n<style>\n{STYLE}</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n",
        chart.title
    );
    text(&mut svg, (12.0, 24.0), "start", "title", chart.title);
    axes(&mut svg, chart);
    for (nth, curve) in curves.iter().enumerate() {
        line(&mut svg, chart, curve, nth);
    }
    labels(&mut svg, chart, curves);
    svg + "</svg>\n"
}

fn axes(svg: &mut String, chart: &Chart) {
    for tick in chart.across.ticks.iter() {
        let x = across(chart, *tick);
        put(svg, format_args!("<path class=\"grid\" d=\"M{x:.1} {TOP}V{BOTTOM}\"/>"));
        text(svg, (x, BOTTOM + 18.0), "middle", "", &number(*tick));
    }
    for tick in chart.up.ticks.iter() {
        let y = up(chart, *tick);
        put(svg, format_args!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>"));
        text(svg, (LEFT - 8.0, y + 4.0), "end", "", &number(*tick));
    }
    let logarithmic = if chart.across.scale == Scale::Log { " (logarithmic)" } else { "" };
    let about = format!("{}{logarithmic}", chart.across.about);
    text(svg, ((LEFT + RIGHT) / 2.0, BOTTOM + 40.0), "middle", "", &about);
    text(svg, (LEFT - 8.0, TOP - 8.0), "start", "", chart.up.about);
}

/// Draws a line through the means, and a bar from minimum to maximum at each point.
fn line(svg: &mut String, chart: &Chart, curve: &Curve, nth: usize) {
    let class = class(curve, nth);
    let mut way = String::new();
    for (at, point) in curve.points.iter().enumerate() {
        let letter = if at == 0 { 'M' } else { 'L' };
        write!(way, "{letter}{:.1} {:.1}", across(chart, point.x), up(chart, point.y)).expect("a string takes all");
    }
    put(svg, format_args!("<path class=\"line {class}\" d=\"{way}\"/>"));
    for Point { x, low, high, .. } in &curve.points {
        let (x, low, high) = (across(chart, *x), up(chart, *low), up(chart, *high));
        if low - high > 1.0 {
            put(svg, format_args!("<path class=\"{class}\" d=\"M{x:.1} {low:.1}V{high:.1}\"/>"));
        }
    }
}

/// Labels the end of each curve; labels are moved apart if they overlap.
fn labels(svg: &mut String, chart: &Chart, curves: &[&Curve]) {
    let end = |curve: &Curve| curve.points.last().map_or(BOTTOM, |point| up(chart, point.y));
    let mut places: Vec<(f64, usize)> = curves.iter().enumerate().map(|(nth, curve)| (end(curve), nth)).collect();
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    for at in 1..places.len() {
        places[at].0 = places[at].0.max(places[at - 1].0 + LABEL);
    }
    let over = places.last().map_or(0.0, |(y, _)| (y - BOTTOM).max(0.0));
    for (y, nth) in places {
        let (y, class) = (y - over, class(curves[nth], nth));
        put(svg, format_args!("<path class=\"line {class}\" d=\"M{:.1} {y:.1}h22\"/>", RIGHT + 8.0));
        text(svg, (RIGHT + 36.0, y + 4.0), "start", "", &curves[nth].line);
    }
}

fn class(curve: &Curve, nth: usize) -> String {
    let theirs = if curve.line.starts_with("HyParView") { " theirs" } else { "" };
    format!("c{}{theirs}", nth % COLOURS)
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, class: &str, text: &str) {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    put(svg, format_args!("<text{class} x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"));
}

fn put(svg: &mut String, element: std::fmt::Arguments) {
    writeln!(svg, "{element}").expect("a string takes all");
}

fn across(chart: &Chart, value: f64) -> f64 {
    place(&chart.across, value, LEFT, RIGHT)
}

fn up(chart: &Chart, value: f64) -> f64 {
    place(&chart.up, value, BOTTOM, TOP)
}

fn place(axis: &Axis, value: f64, from: f64, to: f64) -> f64 {
    from + axis.place(value) * (to - from)
}

/// Formats a number without trailing zeros and with commas between thousands.
pub fn number(value: f64) -> String {
    if value >= 1000.0 {
        return format!("{},{:03}", value as u64 / 1000, value as u64 % 1000);
    }
    let plain = format!("{value:.3}");
    plain.trim_end_matches('0').trim_end_matches('.').to_owned()
}
