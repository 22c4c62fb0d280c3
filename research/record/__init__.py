"""What was found: MLflow's database, written stack by stack and read back as states and tidy frames.

MLflow is the one source of truth; the Optuna studies show it once more. Only this folder touches a store. It decides
nothing about claims.
"""
