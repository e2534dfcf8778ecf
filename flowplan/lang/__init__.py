"""The stack language: texts in, a typed `Stack` and every mistake found out. Pure; files come through a reader.

``document`` turns YAML into values with positions, ``template`` compiles expressions, ``expression`` evaluates
them in a ``scope`` (taint and unknowns carried), ``variables``, ``meta`` and ``world`` give the sections their
meaning, and ``loader`` puts a stack together. The language itself is fixed by stack-language.md.
"""
