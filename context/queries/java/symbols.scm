(class_declaration name: (identifier) @name.class) @definition.class
(record_declaration name: (identifier) @name.class) @definition.class
(enum_declaration name: (identifier) @name.type) @definition.type
(interface_declaration name: (identifier) @name.type) @definition.type
(annotation_type_declaration name: (identifier) @name.type) @definition.type
(method_declaration name: (identifier) @name.method) @definition.method
(constructor_declaration name: (identifier) @name.method) @definition.method
(annotation_type_element_declaration name: (identifier) @name.method) @definition.method
(field_declaration declarator: (variable_declarator name: (identifier) @name.field)) @definition.field
(constant_declaration declarator: (variable_declarator name: (identifier) @name.field)) @definition.field
(record_declaration parameters: (formal_parameters (formal_parameter name: (identifier) @name.field) @definition.field))
(enum_constant name: (identifier) @name.field) @definition.field
(lambda_expression) @definition.lambda

(formal_parameter name: (identifier) @local)
(spread_parameter (variable_declarator name: (identifier) @local))
(catch_formal_parameter name: (identifier) @local)
(inferred_parameters (identifier) @local)
(lambda_expression parameters: (identifier) @local)
(enhanced_for_statement name: (identifier) @local)
(local_variable_declaration declarator: (variable_declarator name: (identifier) @local))
(resource name: (identifier) @local)

(import_declaration) @import

[(identifier) (type_identifier)] @reference
