//! Requests: how many, how they end and how long they take, for each pod.
