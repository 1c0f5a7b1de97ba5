//! Draws one picture per job and quantity that has peers: bars beside each other, with whiskers from the
//! smallest to the largest value.

use std::collections::BTreeMap;
use std::path::Path;

use plotters::prelude::*;

use crate::finding::{Finding, number};
use crate::spread::{median, range};

const SIZE: (u32, u32) = (640, 240);
const OURS: RGBColor = RGBColor(0x1b, 0x7f, 0x5c);
const THEIRS: RGBColor = RGBColor(0x8a, 0x93, 0xa6);

/// A bar: label, measured values, colour.
type Bar<'a> = (&'a str, &'a [f64], RGBColor);

/// Draws the pictures into `dir`. Returns their names, in the order of the findings.
///
/// # Errors
/// Fails if a picture cannot be written.
pub fn draw(findings: &[Finding], dir: &Path) -> std::io::Result<Vec<String>> {
    let mut groups: BTreeMap<(usize, &str, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in findings.iter().filter(|finding| !finding.peer_values.is_empty()) {
        let first = findings
            .iter()
            .position(|f| (&f.job, &f.quantity) == (&finding.job, &finding.quantity))
            .unwrap_or_default();
        groups.entry((first, &finding.job, &finding.quantity)).or_default().push(finding);
    }
    let mut names = Vec::new();
    for ((_, job, quantity), group) in groups {
        let mut bars: Vec<Bar<'_>> = vec![("Linkgate", &group[0].our_values, OURS)];
        bars.extend(group.iter().map(|f| (f.peer.as_str(), f.peer_values.as_slice(), THEIRS)));
        let letters = format!("{job} {quantity}").to_lowercase();
        let words = letters.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        let name = format!("{}.svg", words.collect::<Vec<_>>().join("-"));
        bar_chart(&dir.join(&name), &format!("{job}: {quantity}, {}", group[0].unit), &bars)
            .map_err(std::io::Error::other)?;
        names.push(name);
    }
    Ok(names)
}

fn bar_chart(path: &Path, title: &str, bars: &[Bar<'_>]) -> Result<(), String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE).map_err(|e| text(&e))?;
    let largest = bars.iter().map(|(_, values, _)| range(values).1).fold(f64::MIN_POSITIVE, f64::max);
    let count = i32::try_from(bars.len()).unwrap_or(i32::MAX);
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(24)
        .y_label_area_size(220)
        .build_cartesian_2d(0.0..largest * 1.15, (0..count).into_segmented())
        .map_err(|e| text(&e))?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(bars.len())
        .y_label_formatter(&|at| match at {
            SegmentValue::CenterOf(n) => {
                // The first bar is at the top.
                let n = bars.len().saturating_sub(1 + usize::try_from(*n).unwrap_or(0));
                bars.get(n).map_or_else(String::new, |(who, ..)| (*who).to_owned())
            }
            _ => String::new(),
        })
        .label_style(("sans-serif", 12))
        .draw()
        .map_err(|e| text(&e))?;
    for (at, (_, values, colour)) in (0..count).zip(bars.iter().rev()) {
        let (middle, (low, high)) = (median(values), range(values));
        let bar = [(0.0, SegmentValue::Exact(at)), (middle, SegmentValue::Exact(at + 1))];
        let mut bar = Rectangle::new(bar, colour.filled());
        bar.set_margin(6, 6, 0, 0);
        let whisker = [(low, SegmentValue::CenterOf(at)), (high, SegmentValue::CenterOf(at))];
        chart.draw_series([bar]).map_err(|e| text(&e))?;
        chart.draw_series([PathElement::new(whisker, BLACK)]).map_err(|e| text(&e))?;
        let label = Text::new(number(middle), (high * 1.02, SegmentValue::CenterOf(at)), ("sans-serif", 12));
        chart.draw_series([label]).map_err(|e| text(&e))?;
    }
    root.present().map_err(|e| text(&e))
}
