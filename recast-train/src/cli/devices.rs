//! `recast devices`

use anyhow::Result;
use clap::Args;
use recast_burn::DeviceKind;
use serde::Serialize;

use crate::model::Precision;

#[derive(Debug, Args)]
pub(super) struct DevicesArgs {
    /// Print the devices as JSON on standard output.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Device {
    name: String,
    description: String,
    /// Null where the system tells none.
    memory_bytes: Option<u64>,
    precisions: Vec<&'static str>,
}

pub(super) fn devices(args: &DevicesArgs) -> Result<()> {
    let describe = |kind: DeviceKind| Device {
        name: kind.to_string(),
        description: kind.description(),
        memory_bytes: crate::machine::device_memory_bytes(kind),
        precisions: Precision::ALL
            .into_iter()
            .filter(|precision| precision.is_supported(&kind.device()))
            .map(Precision::name)
            .collect(),
    };
    let devices: Vec<Device> = DeviceKind::available().into_iter().map(describe).collect();
    if args.json {
        super::print(serde_json::to_string_pretty(&devices)?)?;
        return Ok(());
    }
    for Device { name, description, memory_bytes, precisions } in devices {
        let memory = match memory_bytes {
            Some(bytes) => format!("{} MiB", bytes >> 20),
            None => "memory unknown".to_owned(),
        };
        super::print(format_args!(
            "{name:<9} {memory:>14}  {:<10} {description}",
            precisions.join(", ")
        ))?;
    }
    for name in ["ndarray", "cuda"] {
        if let Err(missing) = DeviceKind::find(name) {
            super::say(missing);
        }
    }
    Ok(())
}
