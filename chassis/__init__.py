"""The microservice chassis: what every service needs and no word of what the product is about."""
