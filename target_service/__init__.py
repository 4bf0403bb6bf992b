"""The system under drill: a small service that scores rows with a trained model."""
