"""What the make targets and the scripts of tools/ do: `python -m c756 VERB`, in the repository's root."""
