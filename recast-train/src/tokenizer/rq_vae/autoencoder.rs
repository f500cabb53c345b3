//! The autoencoder: an encoder, codebooks and a decoder, and the loss that trains all three.

use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use recast_burn::fused::matmul;

use super::options::RqVaeOptions;
use crate::model::indices;

/// A linear map with bias.
#[derive(Module, Debug)]
struct Linear {
    /// `(in, out)`.
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

/// Linear maps with a ReLU between each two.
#[derive(Module, Debug)]
pub(super) struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    /// Weights are normal with variance `2 / in` (He), biases zero.
    fn new(widths: &[usize], rng: &mut impl Rng, device: &Device) -> Self {
        let layers = widths.windows(2).map(|pair| {
            let (from, to) = (pair[0], pair[1]);
            let deviation = (2.0 / from as f32).sqrt();
            let mut weight = || {
                let x: f32 = StandardNormal.sample(rng);
                deviation * x
            };
            let weights: Vec<f32> = (0..from * to).map(|_| weight()).collect();
            Linear {
                weight: Param::from_data(TensorData::new(weights, [from, to]), device),
                bias: Param::from_data(TensorData::new(vec![0f32; to], [to]), device),
            }
        });
        Self { layers: layers.collect() }
    }

    /// `(B, in) -> (B, out)`.
    pub(super) fn forward(&self, mut x: Tensor<2>) -> Tensor<2> {
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                x = relu(x);
            }
            x = matmul(x, layer.weight.val()) + layer.bias.val().unsqueeze();
        }
        x
    }
}

/// Encoder, codebooks, decoder.
#[derive(Module, Debug)]
pub(super) struct Autoencoder {
    pub(super) encoder: Mlp,
    pub(super) decoder: Mlp,
    /// The codebook of each level, `(C, latent_dim)`.
    pub(super) codebooks: Vec<Param<Tensor<2>>>,
}

/// The loss and the codes of one batch.
pub(super) struct BatchLoss {
    pub(super) loss: Tensor<1>,
    /// The codes of each level, in the order of the batch.
    pub(super) codes: Vec<Vec<i32>>,
}

impl Autoencoder {
    /// An autoencoder of vectors of width `dim`, without codebooks.
    pub(super) fn new(
        dim: usize,
        options: &RqVaeOptions,
        rng: &mut impl Rng,
        device: &Device,
    ) -> Self {
        let mut widths = vec![dim];
        widths.extend(&options.hidden);
        widths.push(options.latent_dim);
        let encoder = Mlp::new(&widths, rng, device);
        widths.reverse();
        let decoder = Mlp::new(&widths, rng, device);
        Self { encoder, decoder, codebooks: Vec::new() }
    }

    /// The device of the weights.
    pub(super) fn device(&self) -> Device {
        self.encoder.layers[0].weight.val().device()
    }

    /// The loss of a batch `x` `(B, D)`, each term a mean over its values.
    ///
    /// ```text
    /// z = encode(x)   r_1 = z   e_l = nearest row of codebook l to r_l    r_(l+1) = r_l - sg(e_l)
    /// loss = |decode(z + sg(sum_l e_l - z)) - x|^2
    ///        + sum_l |sg(r_l) - e_l|^2 + commitment |r_l - sg(e_l)|^2
    /// ```
    ///
    /// sg stops the gradient: the decoder's gradient passes straight through the codes to the
    /// encoder. Without codebooks the loss is that of a plain autoencoder.
    pub(super) fn loss(&self, x: Tensor<2>, commitment: f32) -> BatchLoss {
        let latent = self.encoder.forward(x.clone());
        let device = latent.device();
        let mut residual = latent.clone();
        let mut summed = latent.clone().detach().zeros_like();
        let mut quantisation: Tensor<1> = Tensor::zeros([1], &device);
        let mut codes = Vec::with_capacity(self.codebooks.len());
        for codebook in &self.codebooks {
            let found = nearest(residual.clone().inner(), codebook.val().inner());
            let chosen = codebook.val().select(0, indices(found.clone(), &device));
            codes.push(found);
            let fixed = chosen.clone().detach();
            quantisation = quantisation
                + mean_square(residual.clone().detach() - chosen)
                + mean_square(residual.clone() - fixed.clone()) * commitment;
            summed = summed + fixed.clone();
            residual = residual - fixed;
        }
        let decoded = if self.codebooks.is_empty() {
            latent
        } else {
            latent.clone() + (summed - latent).detach()
        };
        let reconstruction = mean_square(self.decoder.forward(decoded) - x);
        BatchLoss { loss: reconstruction + quantisation, codes }
    }
}

fn mean_square(x: Tensor<2>) -> Tensor<1> {
    (x.clone() * x).mean()
}

/// The nearest row of `codebook` `(C, D)` for each of `rows` `(B, D)`, ties to the lowest.
fn nearest(rows: Tensor<2>, codebook: Tensor<2>) -> Vec<i32> {
    let [codes, _] = codebook.dims();
    let norms = (codebook.clone() * codebook.clone()).sum_dim(1).reshape([1, codes]);
    let distances = norms - matmul(rows, codebook.transpose()) * 2.0;
    let nearest = distances.argmin(1);
    #[expect(clippy::expect_used, reason = "a device of the host is always read")]
    nearest.try_into_vec_as::<i32>().expect("indices of 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use recast_burn::device::DeviceKind;

    fn tensor<const N: usize>(values: &[f32], shape: [usize; N], device: &Device) -> Tensor<N> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
    }

    #[test]
    fn rows_go_to_the_nearest_code_and_ties_to_the_lowest() {
        let device = DeviceKind::Cpu.device();
        let codebook = tensor(&[0.0, 0.0, 2.0, 0.0, 2.0, 0.0], [3, 2], &device);
        let rows = tensor(&[0.4, 0.1, 1.8, -1.0, 1.0, 5.0], [3, 2], &device);
        assert_eq!(nearest(rows, codebook), [0, 1, 0]);
    }

    /// One dimension throughout: the identity as encoder and decoder, one code at `code`.
    fn identity(code: f32, device: &Device) -> Autoencoder {
        let options = RqVaeOptions { hidden: vec![], latent_dim: 1, ..RqVaeOptions::default() };
        let mut rng = stream(1, Purpose::RqVae, 0);
        let mut model = Autoencoder::new(1, &options, &mut rng, device);
        let one = || Param::from_data(TensorData::new(vec![1f32], [1, 1]), device);
        model.encoder.layers[0].weight = one();
        model.decoder.layers[0].weight = one();
        model.codebooks = vec![Param::from_data(TensorData::new(vec![code], [1, 1]), device)];
        model
    }

    #[test]
    fn the_gradient_passes_straight_through_the_codes() {
        let device = DeviceKind::Cpu.device().autodiff();
        // x = 3, so z = 3, e = 1: decode(e) - x = -2, r - e = 2
        let model = identity(1.0, &device);
        let found = model.loss(tensor(&[3.0], [1, 1], &device), 0.25);
        assert_eq!(found.codes, [[0]]);
        let value = found.loss.clone().into_scalar::<f32>();
        assert!((value - (4.0 + 4.0 + 0.25 * 4.0)).abs() < 1e-6, "{value}");
        let gradients = found.loss.backward();
        let of = |parameter: &Param<Tensor<2>>| {
            parameter.val().grad(&gradients).unwrap().into_scalar::<f32>()
        };
        // d/de |sg(r) - e|^2 = -2 (r - e)
        assert!((of(&model.codebooks[0]) + 4.0).abs() < 1e-6);
        // through the decoder 2 (-2) x, of the commitment 0.25 * 2 (r - e) x, with x = 3
        assert!((of(&model.encoder.layers[0].weight) - (-12.0 + 3.0)).abs() < 1e-5);
        // 2 (-2) e
        assert!((of(&model.decoder.layers[0].weight) + 4.0).abs() < 1e-6);
    }
}
