//! A page with plots that needs nothing from elsewhere.

use super::Measured;
use anyhow::{Context as _, Result};
use plotters::prelude::*;
use std::fmt::Write as _;

const SIZE: (u32, u32) = (860, 260);
/// Percentiles at which latencies are plotted, by the nines that they have: 0, 90, 99, 99.9, 99.99.
const NINES: std::ops::RangeInclusive<f64> = 0.0..=4.0;
const STEPS: u32 = 80;

type Line<'a> = (&'a str, RGBColor, Vec<(f64, f64)>);

/// The page of some measurements.
pub(crate) fn page(all: &[Measured]) -> Result<String> {
    let mut html = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Load test</title>\
         <style>body{font:15px/1.5 sans-serif;margin:2em auto;max-width:900px;padding:0 1em}\
         table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.2em .6em;text-align:right}\
         td:first-child,th:first-child{text-align:left}svg{max-width:100%;height:auto}</style><h1>Load test</h1>\n",
    );
    html += "<p>Latencies in milliseconds; at a constant rate they count from when a request was due.</p>\n<table>";
    let lines: Vec<String> = all
        .iter()
        .flat_map(|measured| measured.lines().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    for (n, row) in super::HEAD.lines().take(1).map(str::to_owned).chain(lines).enumerate() {
        let cell = if n == 0 { "th" } else { "td" };
        html += "<tr>";
        for text in row.trim_matches(['|', ' ']).split(" | ") {
            write!(html, "<{cell}>{text}</{cell}>")?;
        }
        html += "</tr>";
    }
    html += "</table>\n";
    for measured in all {
        writeln!(html, "<h2>{}</h2>", measured.name())?;
        let seconds = &measured.outcome.seconds;
        let by_second = |value: &dyn Fn(&crate::drive::Second) -> f64| {
            seconds.iter().zip(1_u32..).map(|(second, n)| (f64::from(n), value(second))).collect::<Vec<_>>()
        };
        let rate = by_second(&|second| (second.answers - second.errors) as f64);
        let errors = by_second(&|second| second.errors as f64);
        html += &plot("answers a second", "second", &[("good", BLUE, rate), ("errors", RED, errors)])?;
        let (p50, p99) = (by_second(&|second| second.p50_ms), by_second(&|second| second.p99_ms));
        html += &plot("latency by second, ms", "second", &[("p50", BLUE, p50), ("p99", RED, p99)])?;
        let nines = (0..=STEPS).map(|step| NINES.end() * f64::from(step) / f64::from(STEPS));
        let curve = nines.map(|nines| (nines, measured.outcome.ms(100.0 * (1.0 - 10.0_f64.powf(-nines)))));
        let named = "nines of the percentile: 1 is p90, 2 is p99, 3 is p99.9";
        html += &plot("latency by percentile, ms", named, &[("", BLUE, curve.collect())])?;
    }
    html += "</html>\n";
    Ok(html)
}

fn plot(title: &str, below: &str, lines: &[Line<'_>]) -> Result<String> {
    let mut svg = String::new();
    draw(&mut svg, title, below, lines).context("cannot draw a plot")?;
    Ok(svg)
}

fn draw(svg: &mut String, title: &str, below: &str, lines: &[Line<'_>]) -> Result<()> {
    let points = || lines.iter().flat_map(|(_, _, points)| points);
    let (right, top) = points().fold((0.0_f64, 0.0_f64), |(x, y), point| (x.max(point.0), y.max(point.1)));
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let drawn = |error: DrawingAreaErrorKind<_>| anyhow::anyhow!("{error}");
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 17))
        .margin(8)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..right.max(1.0), 0.0..(top * 1.1).max(0.1))
        .map_err(drawn)?;
    chart.configure_mesh().light_line_style(TRANSPARENT).x_desc(below).draw().map_err(drawn)?;
    for (name, color, points) in lines {
        let color = *color;
        let drawn_line =
            chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(2))).map_err(drawn)?;
        if !name.is_empty() {
            drawn_line.label(*name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], color));
        }
    }
    if lines.iter().any(|(name, _, _)| !name.is_empty()) {
        chart.configure_series_labels().border_style(BLACK).background_style(WHITE).draw().map_err(drawn)?;
    }
    area.present().map_err(drawn)
}
