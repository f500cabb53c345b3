use super::*;

fn matrices<'a>(values: &'a [f32], starts: &[usize], dims: [usize; 2]) -> Matrices<'a> {
    Matrices::new(values, starts.to_vec(), dims, [dims[1] as isize, 1])
}

#[test]
fn products_stand_one_after_the_other() {
    let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let (lhs, rhs) = (matrices(&values, &[0, 2], [2, 2]), matrices(&values, &[4, 0], [2, 1]));
    assert_eq!(products(&lhs, &rhs), [17.0, 39.0, 11.0, 17.0]);
    // backwards and transposed
    let lhs = Matrices::new(&values, vec![5], [2, 3], [-1, -2]);
    let rhs = matrices(&[1.0, 10.0, 100.0], &[0], [3, 1]);
    assert_eq!(products(&lhs, &rhs), [246.0, 135.0]);
}

#[test]
fn every_kind_of_vectors_multiplies_alike() {
    let (m, k, n) = (37, 65, 51);
    let values: Vec<f32> = (0..m * k + k * n).map(|i| (i as f32).sin()).collect();
    for transposed in [false, true] {
        let lhs = if transposed {
            Matrices::new(&values, vec![0], [m, k], [1, m as isize])
        } else {
            matrices(&values, &[0], [m, k])
        };
        let rhs = matrices(&values, &[m * k], [k, n]);
        let element = |matrices: &Matrices<'_>, row: usize, column: usize| {
            let at = row as isize * matrices.strides[0] + column as isize * matrices.strides[1];
            f64::from(values[matrices.starts[0] + at as usize])
        };
        for vectors in [Vectors::in_use(), Vectors::Avx2] {
            let found = one_product(&lhs, &rhs, (vectors, Parallelism::None));
            for (i, &found) in found.iter().enumerate() {
                let exact: f64 = (0..k)
                    .map(|inner| element(&lhs, i / n, inner) * element(&rhs, inner, i % n))
                    .sum();
                // 65 terms of at most 1 in f32
                assert!((f64::from(found) - exact).abs() < 65.0 * 65.0 * 6e-8, "{vectors}, {i}");
            }
        }
    }
}

#[test]
fn bits_are_those_of_one_product_however_it_is_shared() {
    let (m, k, n) = (67, 1111, 150);
    let values: Vec<f32> = (0..m * k + k * n).map(|i| (i as f32).sin()).collect();
    let lhs = Matrices::new(&values, vec![0], [m, k], [1, m as isize]);
    let rhs = matrices(&values, &[m * k], [k, n]);
    let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    for vectors in [Vectors::in_use(), Vectors::Avx2] {
        let whole = one_product(&lhs, &rhs, (vectors, Parallelism::None));
        let shared = one_product(&lhs, &rhs, (vectors, Parallelism::Rayon(2)));
        assert_eq!(bits(&shared), bits(&whole), "{vectors}");
        let by_columns = product_by_columns(&lhs, &rhs, vectors);
        assert_eq!(bits(&by_columns), bits(&whole), "{vectors}");
    }
}

#[test]
fn a_product_is_added_to_the_columns_it_is_given() {
    let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let (lhs, rhs) = (matrices(&values, &[0], [2, 2]), matrices(&values, &[4], [2, 1]));
    let mut out = [100.0, 7.0, 200.0, 7.0];
    product_into(&lhs, &rhs, (&mut out, 2, true));
    product_into(&lhs, &rhs, (&mut out[1..], 2, false));
    assert_eq!(out.to_vec(), [117.0, 17.0, 239.0, 39.0]);
}

#[test]
#[should_panic(expected = "room for the product")]
fn a_product_beyond_its_room_is_refused() {
    let values = [0.0; 6];
    let (lhs, rhs) = (matrices(&values, &[0], [3, 1]), matrices(&values, &[0], [1, 2]));
    product_into(&lhs, &rhs, (&mut [0.0; 7], 3, false));
}

#[test]
fn a_part_is_written_over_zeros() {
    let given = [1.0, 2.0, 3.0];
    let [ones, twos] = written((5, 2), [1, 2], given.par_iter(), |&given, [ones, twos]| {
        assert!(ones.iter().chain(&*twos).all(|&x| x == 0.0));
        (ones[0], twos[1]) = (given, -given);
    });
    assert_eq!(ones, [1.0, 0.0, 2.0, 0.0, 3.0]);
    assert_eq!(twos, [0.0, -1.0, 0.0, 0.0, 0.0, -2.0, 0.0, 0.0, 0.0, -3.0]);
}

#[test]
fn nothing_times_nothing_is_zero() {
    let (lhs, rhs) = (matrices(&[], &[0], [2, 0]), matrices(&[], &[0], [0, 3]));
    assert_eq!(products(&lhs, &rhs), [0.0; 6]);
    let (lhs, rhs) = (matrices(&[], &[0], [0, 1]), matrices(&[1.0], &[0], [1, 1]));
    assert!(products(&lhs, &rhs).is_empty());
}

#[test]
#[should_panic(expected = "elements 2 to 6 of 6")]
fn a_matrix_beyond_the_slice_is_refused() {
    matrices(&[0.0; 6], &[2], [1, 5]);
}

#[test]
#[should_panic(expected = "elements -1 to 0 of 6")]
fn a_matrix_before_the_slice_is_refused() {
    Matrices::new(&[0.0; 6], vec![0], [2, 1], [-1, 1]);
}
