"""Named settings of training runs, one TOML file each."""
