//! How numbers grow with the size of the mesh, as plots with two logarithmic axes.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::combinators::LogCoord;
use plotters::prelude::{
    BLACK, BLUE, Cartesian2d, ChartBuilder, ChartContext, Circle, DrawingBackend,
    IntoDrawingArea as _, IntoLogRange as _, LineSeries, RED, RGBColor, SVGBackend,
    SeriesLabelPosition, WHITE,
};

use crate::row::Row;
use crate::table::thousands;

/// One curve: what it is, and its value of a row.
pub(crate) type Curve = (&'static str, fn(&Row) -> f64);

const GREEN: RGBColor = RGBColor(0, 128, 64);
const COLOURS: [RGBColor; 4] = [BLUE, RED, GREEN, BLACK];

/// Draws the curves into a file. Values below a thousandth are drawn as that.
pub(crate) fn draw(file: &Path, unit: &str, rows: &[Row], curves: &[Curve]) -> Result<()> {
    let value = |row: &Row, curve: &Curve| curve.1(row).max(0.001);
    let points = |curve: &Curve| {
        rows.iter()
            .map(|row| (size(row), value(row, curve)))
            .collect::<Vec<_>>()
    };
    let all: Vec<f64> = curves
        .iter()
        .flat_map(|curve| rows.iter().map(move |row| value(row, curve)))
        .collect();
    let (low, high) = all.iter().fold((f64::MAX, f64::MIN), |(low, high), value| {
        (low.min(*value), high.max(*value))
    });
    let (first, last) = rows
        .first()
        .zip(rows.last())
        .ok_or_else(|| anyhow!("a plot of nothing"))?;
    let area = SVGBackend::new(file, (720, 400)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(70)
        .build_cartesian_2d(
            (size(first) * 0.8..size(last) * 1.25).log_scale(),
            (low / 1.5..high * 2.0).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc("services")
        .y_desc(unit)
        .x_label_formatter(&|n| thousands(n.round() as usize))
        .y_label_formatter(&|value| format!("{value}"))
        .draw()?;
    for (curve, colour) in curves.iter().zip(COLOURS) {
        add(&mut chart, curve.0, &points(curve), colour)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    area.present()?;
    Ok(())
}

type Chart<'a, B> = ChartContext<'a, B, Cartesian2d<LogCoord<f64>, LogCoord<f64>>>;

fn add<'a, B>(
    chart: &mut Chart<'a, B>,
    name: &str,
    points: &[(f64, f64)],
    colour: RGBColor,
) -> Result<()>
where
    B: DrawingBackend + 'a,
    B::ErrorType: 'static,
{
    chart
        .draw_series(LineSeries::new(points.iter().copied(), colour).point_size(3))?
        .label(name)
        .legend(move |place| Circle::new(place, 4, colour));
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "sizes are far below 2⁵²")]
fn size(row: &Row) -> f64 {
    row.n as f64
}
