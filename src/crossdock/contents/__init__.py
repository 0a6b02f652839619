"""What lies in a wheel, directory, zip or image, whoever made it, and whether it fits a target.

`read.read_contents` reads a thing, `verify.verify` judges it; `base.base_facts` tells what an image brings for others
to build on. They are imported from their modules: a run that only looks a base up in the store loads no more.
"""
