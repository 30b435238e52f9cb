//! What the models do, as sentences.

mod lab;
mod rolling_updates;

use lab::Lab;
