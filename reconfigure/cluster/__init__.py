"""One cluster's parts together: what is known, observed and in its inventory."""
