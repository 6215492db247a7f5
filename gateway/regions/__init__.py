"""Region profiles: what a bureau allows, effective-dated, each value with its source.

==============  =====================================================================
module          holds
==============  =====================================================================
``vocabulary``  the words of a profile: operations, channels, proofs, scenes
``profile``     one region's profile, parsed and asked as of a date
``catalogue``   the profiles of all regions, found by institution code
==============  =====================================================================

A profile is data (``specs/regions/*.toml``): a new region is a new file.
"""
