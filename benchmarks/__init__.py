"""How fast is each feature against the plain way? Each prints a ratio and checks that the results agree."""
