//! What should happen next. Pure: rollout, observation and verdicts in, status and effects out.
