"""The target model; its wheel tags; its markers; its names and presets."""
