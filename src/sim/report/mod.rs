//! What a simulation tells: as a table, as JSON, as a picture.
