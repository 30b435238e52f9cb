//! The models around the API server: controllers, kubelets, and a gateway.
