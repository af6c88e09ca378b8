"""Values to pictures, tables and sentences."""
