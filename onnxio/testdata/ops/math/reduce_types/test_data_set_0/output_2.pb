
By2JÏLJPJQ