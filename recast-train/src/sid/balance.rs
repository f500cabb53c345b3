//! Prices that even out how many rows the codes take.

use super::assignment::Assignment;

/// Raises the price of codes with more rows than their share and lowers it where they have fewer.
///
/// ```text
/// p_c += margin (n_c - n / C) / (n_c + n / C)
/// ```
///
/// n_c: rows of the code. The margin, by how much the second best code costs more on average, is what a price must
/// change by to move rows: no price moves by more in one round. Without a second code nothing changes.
pub(super) fn even_out(prices: &mut [f32], assigned: &Assignment) {
    let n = assigned.codes.len() as f64;
    let margin = assigned.margins.iter().map(|&m| f64::from(m)).sum::<f64>() / n;
    if !margin.is_finite() {
        return;
    }
    let share = n / prices.len() as f64;
    let mut loads = vec![0u32; prices.len()];
    for &code in &assigned.codes {
        loads[usize::from(code)] += 1;
    }
    for (price, load) in prices.iter_mut().zip(loads) {
        let load = f64::from(load);
        *price += (margin * (load - share) / (load + share)) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned(codes: &[u16], margin: f32) -> Assignment {
        let zeros = vec![0.0; codes.len()];
        let margins = vec![margin; codes.len()];
        Assignment { codes: codes.to_vec(), distances: zeros, margins }
    }

    #[test]
    fn prices_rise_with_the_load_by_at_most_a_margin() {
        let mut prices = [0.0, 1.0, 0.0];
        even_out(&mut prices, &assigned(&[0, 0, 0, 0, 1, 1], 0.5));
        let expected = [0.5 * 2.0 / 6.0, 1.0, -0.5];
        for (price, expected) in prices.iter().zip(expected) {
            assert!((price - expected).abs() < 1e-6, "{prices:?}");
        }
    }

    #[test]
    fn a_single_code_keeps_its_price() {
        let mut prices = [0.25];
        even_out(&mut prices, &assigned(&[0, 0], f32::INFINITY));
        assert!((prices[0] - 0.25).abs() < 1e-9);
    }
}
