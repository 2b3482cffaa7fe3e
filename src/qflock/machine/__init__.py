"""The machine: devices, processes, meshes, and what a run was made with."""
