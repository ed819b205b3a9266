"""The store on real databases: what it promises about durability, races and outages."""
